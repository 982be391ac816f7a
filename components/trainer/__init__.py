"""The trainer step: its settings, its component, and the training itself."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.trainer.component import Trainer
else:
    __getattr__ = lazily(__name__, Trainer="component")

STEP = Step(name="trainer", talkative=True, uses="state", sources=("components.trainer.run",))

__all__ = ["STEP", "Trainer"]
