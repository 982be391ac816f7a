"""The step `Converter`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, ModelRun

from components.artifacts import Conversions
from components.converter.executor import Executor
from components.converter.settings import ConverterConfig
from components.declared import DeclaredComponent, spec


class Converter(DeclaredComponent):
    """Converts the bare model to TensorFlow Lite and ONNX and compares each with the original.

    The bare model takes float32 [batch, side, side, 3] in [0, 255] and gives probabilities; it
    decodes no images.

    Args:
        examples: `Examples` with a `test` split, and their classes.
        model_run: holds the exported epoch as a Keras file.
        task: name or import path, of one of images.
        config: formats and tolerances.
    """

    SPEC_CLASS = spec({"examples": Examples, "model_run": ModelRun}, {"conversions": Conversions})
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model_run: BaseChannel,
        *,
        task: str = "image_classification",
        config: ConverterConfig,
    ):
        super().__init__(examples=examples, model_run=model_run, task=task, config=config)
