"""The evaluator step: the model measured, and blessed or not."""

from components.steps import Step, lazily

STEP = Step(name="evaluator", beam=True)
__getattr__ = lazily(
    __name__, Evaluator="component", EvaluatorConfig="settings", Threshold="settings"
)
