"""The baseline step: the model now served, to compare with."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, Baseline="component")

STEP = Step(name="baseline", uses="models")
