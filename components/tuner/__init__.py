"""The tuner step: short trainings that find settings for the long one."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, Tuner="component", TunerConfig="settings")

STEP = Step(
    name="tuner", section="tuner", talkative=True, uses="state", sources=("components.tuner.run",)
)
