"""A data folder to Examples in train, eval and test."""

from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.types.channel_utils import as_channel
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components import features
from components.artifacts import Quarantine
from components.datasets.settings import DataConfig
from components.example_gen.driver import Driver
from components.example_gen.executor import Executor
from components.example_gen.settings import ExampleGenConfig


class ImageExampleGenSpec(specs.FileBasedExampleGenSpec):
    """TFX's spec, with what tasks need besides."""

    PARAMETERS = {
        **specs.FileBasedExampleGenSpec.PARAMETERS,
        "task": ExecutionParameter(type=str),
        "data": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
        "rehash": ExecutionParameter(type=int),
    }
    OUTPUTS = {
        **specs.FileBasedExampleGenSpec.OUTPUTS,
        "quarantine": ChannelParameter(type=Quarantine),
    }


class ImageExampleGen(FileBasedExampleGen):
    """Ingests a data folder, of images or whatever else the task is of.

    Outputs: `examples` (Examples with the splits of `features.SPLITS`, and their classes beside
    them) and `quarantine` (Quarantine: what was found, accepted and refused, and why).

    Args:
        input_base: the data folder, or the run's parameter that tells it.
        task: name or import path of the task.
        data: layout and classes; its `path` counts for nothing here.
        config: splits and sizes.
        rehash: fingerprint the input by content instead of size and time.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        input_base: str | RuntimeParameter,
        *,
        task: str = "image_classification",
        data: DataConfig | None = None,
        config: ExampleGenConfig | None = None,
        rehash: bool = False,
    ):
        data, config = data or DataConfig(), config or ExampleGenConfig()
        splits = [
            {"name": name, "hash_buckets": count}
            for name, count in zip(features.SPLITS, config.buckets, strict=True)
        ]
        # The grandparent's constructor: TFX's own fixes the spec that it fills.
        super(FileBasedExampleGen, self).__init__(
            spec=ImageExampleGenSpec(
                input_base=input_base,
                input_config=example_gen_pb2.Input(splits=[{"name": "all", "pattern": "*"}]),
                output_config=example_gen_pb2.Output(split_config={"splits": splits}),
                output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
                output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                task=task,
                data=data.model_dump_json(exclude={"path"}),
                config=config.model_dump_json(),
                rehash=int(rehash),
                examples=as_channel([standard_artifacts.Examples()]),
                quarantine=as_channel([Quarantine()]),
            )
        )
