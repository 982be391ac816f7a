"""The example_gen step: a data folder becomes Examples in train, eval and test."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, ImageExampleGen="component", ExampleGenConfig="settings")

STEP = Step(name="example_gen", beam=True, uses="data")
