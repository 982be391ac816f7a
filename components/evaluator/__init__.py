"""The evaluator step: the model measured, and blessed or not."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.evaluator.component import Evaluator
    from components.evaluator.settings import EvaluatorConfig, Threshold
else:
    __getattr__ = lazily(
        __name__, Evaluator="component", EvaluatorConfig="settings", Threshold="settings"
    )

STEP = Step(name="evaluator", beam=True)

__all__ = ["STEP", "Evaluator", "EvaluatorConfig", "Threshold"]
