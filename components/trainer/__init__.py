"""The trainer step: its settings, its component, and the training itself."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.trainer.component import Trainer
    from components.trainer.settings import TrainerConfig
else:
    __getattr__ = lazily(__name__, Trainer="component", TrainerConfig="settings")

STEP = Step(name="trainer", talkative=True, uses="state", sources=("components.trainer.run",))

# Which code the weights of a training depend on. What these import counts with them, and so do the
# task's part `training` and a model from outside; not what exports, or writes down how it went.
TRAINING_SOURCES = (
    "components.trainer.fit.stages",
    "components.trainer.fit.trial",
    "components.trainer.input.split",
)

__all__ = ["STEP", "TRAINING_SOURCES", "Trainer", "TrainerConfig"]
