"""The converter step: the model in other formats, compared with the original."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.converter.component import Converter
    from components.converter.settings import ConverterConfig
else:
    __getattr__ = lazily(__name__, Converter="component", ConverterConfig="settings")

STEP = Step(name="converter", section="converter")

__all__ = ["STEP", "Converter", "ConverterConfig"]
