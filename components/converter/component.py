"""The step `Converter`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import Conversions
from components.converter.executor import Executor
from components.converter.settings import ConverterConfig


class ConverterSpec(ComponentSpec):
    """Inputs, outputs and execution properties of `Converter`."""

    PARAMETERS = {
        "task": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
    }
    OUTPUTS = {"conversions": ChannelParameter(type=Conversions)}


class Converter(BaseComponent):
    """Converts the bare model to TensorFlow Lite and ONNX and compares each with the original.

    The bare model takes float32 [batch, side, side, 3] in [0, 255] and gives probabilities; it
    decodes no images.
    """

    SPEC_CLASS = ConverterSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model_run: BaseChannel,
        *,
        task: str = "image_classification",
        config: ConverterConfig,
    ):
        """Builds the step.

        Args:
            examples: `Examples` with a `test` split, and their classes.
            model_run: holds the exported epoch as a Keras file.
            task: name or import path, of one of images.
            config: formats and tolerances.
        """
        super().__init__(
            ConverterSpec(
                examples=examples,
                model_run=model_run,
                task=task,
                config=config.model_dump_json(),
                conversions=Channel(type=Conversions),
            )
        )
