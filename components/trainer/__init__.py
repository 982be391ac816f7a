"""The trainer step: its settings, its component, and the training itself."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, Trainer="component", TrainerConfig="settings")

STEP = Step(name="trainer", talkative=True, uses="state", sources=("components.trainer.run",))

# Which code the weights of a training depend on. What these import counts with them, and so do the
# task's part `training` and a model from outside; not what exports, or writes down how it went.
TRAINING_SOURCES = (
    "components.trainer.fit.stages",
    "components.trainer.fit.trial",
    "components.trainer.input.split",
)
