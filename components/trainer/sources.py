"""Which code the weights of a training depend on."""

# What these import counts with them, and so do the task's part `training` and a model from outside.
# Not among them: what exports, or writes down how a training went.
TRAINING_SOURCES = (
    "components.trainer.fit.stages",
    "components.trainer.fit.trial",
    "components.trainer.input.split",
)
