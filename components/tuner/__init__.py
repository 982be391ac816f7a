"""The tuner step: short trainings that find settings for the long one."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.tuner.component import Tuner
    from components.tuner.settings import TunerConfig
else:
    __getattr__ = lazily(__name__, Tuner="component", TunerConfig="settings")

STEP = Step(
    name="tuner", section="tuner", talkative=True, uses="state", sources=("components.tuner.run",)
)

__all__ = ["STEP", "Tuner", "TunerConfig"]
