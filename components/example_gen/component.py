"""A data folder to Examples in train, eval and test."""

from dataclasses import KW_ONLY

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types.standard_artifacts import Examples

from components.artifacts import Quarantine
from components.datasets.settings import DataConfig
from components.declared import DeclaredComponent
from components.example_gen.executor import Executor
from components.example_gen.settings import ExampleGenConfig


class ImageExampleGen(
    DeclaredComponent,
    BaseBeamComponent,
    executor=Executor,
    outputs={"examples": Examples, "quarantine": Quarantine},
):
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

    input_base: str | RuntimeParameter
    _: KW_ONLY
    task: str = "image_classification"
    data: DataConfig = DataConfig()
    config: ExampleGenConfig = ExampleGenConfig()
    rehash: bool = False

    def __post_init__(self) -> None:
        self.data = self.data.model_copy(update={"path": ""})
        super().__post_init__()
