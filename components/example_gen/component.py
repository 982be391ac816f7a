"""Pictures or points on disk to Examples in train, eval and test."""

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
from components.example_gen.driver import Driver
from components.example_gen.executor import Executor

QUARANTINE_KEY = "quarantine"


class PictureExampleGenSpec(specs.FileBasedExampleGenSpec):
    """TFX's spec, with what pictures need besides."""

    PARAMETERS = {
        **specs.FileBasedExampleGenSpec.PARAMETERS,
        "layout": ExecutionParameter(type=str),
        "split": ExecutionParameter(type=str),
        "max_side": ExecutionParameter(type=int),
        "drop_duplicates": ExecutionParameter(type=int),
        "rehash": ExecutionParameter(type=int),
    }
    OUTPUTS = {
        **specs.FileBasedExampleGenSpec.OUTPUTS,
        QUARANTINE_KEY: ChannelParameter(type=Quarantine),
    }


class PictureExampleGen(FileBasedExampleGen):
    """Ingests a folder of pictures, or of points.

    Outputs: `examples` (Examples with the splits of `features.SPLITS`) and `quarantine`
    (Quarantine: what was found, accepted and refused, and why).

    Args:
        input_base: the data folder, or the run's parameter that tells it.
        layout: a layout of `components.datasets`.
        split: `hash` or `book_small` (pictures with a file number only).
        buckets: hash buckets of train, eval and test; their ratio is that of the splits.
        max_side: longest side of a stored picture in pixels.
        drop_duplicates: quarantine what has the pixels or coordinates of an earlier one.
        rehash: fingerprint the input by content instead of size and time.
    """

    SPEC_CLASS = PictureExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        *,
        input_base: str | RuntimeParameter,
        layout: str,
        split: str,
        buckets: tuple[int, int, int],
        max_side: int,
        drop_duplicates: bool,
        rehash: bool,
    ):
        split_config = example_gen_pb2.SplitConfig(
            splits=[
                example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=count)
                for name, count in zip(features.SPLITS, buckets, strict=True)
            ]
        )
        # The grandparent's constructor: TFX's own fixes the spec that it fills.
        super(FileBasedExampleGen, self).__init__(
            spec=PictureExampleGenSpec(
                input_base=input_base,
                input_config=example_gen_pb2.Input(
                    splits=[example_gen_pb2.Input.Split(name="all", pattern="*")]
                ),
                output_config=example_gen_pb2.Output(split_config=split_config),
                output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
                output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
                layout=layout,
                split=split,
                max_side=max_side,
                drop_duplicates=int(drop_duplicates),
                rehash=int(rehash),
                examples=as_channel([standard_artifacts.Examples()]),
                quarantine=as_channel([Quarantine()]),
            )
        )
