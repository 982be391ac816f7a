"""The baseline step: the model now served, to compare with."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.baseline.component import Baseline
else:
    __getattr__ = lazily(__name__, Baseline="component")

STEP = Step(name="baseline", cached_on_cluster=False, uses="models")

__all__ = ["STEP", "Baseline"]
