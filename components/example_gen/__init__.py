"""The example_gen step: a data folder becomes Examples in train, eval and test."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.example_gen.component import ImageExampleGen
    from components.example_gen.settings import ExampleGenConfig
else:
    __getattr__ = lazily(__name__, ImageExampleGen="component", ExampleGenConfig="settings")

STEP = Step(name="example_gen", beam=True, cached_on_cluster=False, uses="data")

__all__ = ["STEP", "ExampleGenConfig", "ImageExampleGen"]
