"""The trainer step: its settings, its component, and the training itself."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.trainer.component import Trainer
    from components.trainer.settings import TrainerConfig
else:
    __getattr__ = lazily(__name__, Trainer="component", TrainerConfig="settings")

STEP = Step(name="trainer", talkative=True, uses="state", sources=("components.trainer.run",))

__all__ = ["STEP", "Trainer", "TrainerConfig"]
