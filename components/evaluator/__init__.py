"""The evaluator step: the model measured, and blessed or not."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.evaluator.component import Evaluator
else:
    __getattr__ = lazily(__name__, Evaluator="component")

STEP = Step(name="evaluator", beam=True)

__all__ = ["STEP", "Evaluator"]
