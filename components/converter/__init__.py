"""The converter step: the model in other formats, compared with the original."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, Converter="component", ConverterConfig="settings")

STEP = Step(name="converter", section="converter")
