"""The part of TFX's components and executors that all steps of ours would write alike."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, dataclass_transform

from tfx.dsl.components.base import base_driver
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec, ExecutorClassSpec
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import base_driver as portable_base_driver
from tfx.orchestration.portable import data_types
from tfx.proto.orchestration import driver_output_pb2
from tfx.types import Artifact, Channel, artifact_utils
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.settings import Section
from components.tasks import get_task

Artifacts = dict[str, list[Artifact]]  # inputs or outputs by name, as TFX gives them
Given = dict[str, Artifact]  # the same where each is one
Properties = dict[str, Any]  # of the execution, by name


@dataclass_transform()
class DeclaredComponent(BaseComponent):
    """A component that says what it is given as a dataclass does; TFX's specification follows.

    A field `Annotated[BaseChannel, TYPE]` is an input, one with a default may be None; all others
    are execution properties, texts for TFX (a bool is 0 or 1): settings become JSON, and a `task`,
    a name or import path, has to be that of one (else InputError).

    Class arguments:
        executor: what does the work.
        outputs: artifact type by name; their channels are made here.
    """

    def __init_subclass__(
        cls, executor: type[BaseExecutor], outputs: dict[str, type[Artifact]], **more: Any
    ):
        super().__init_subclass__(**more)
        fields = {key: kind for key, kind in cls.__annotations__.items() if kind is not KW_ONLY}
        inputs = {
            key: ChannelParameter(type=kind.__metadata__[0], optional=hasattr(cls, key))
            for key, kind in fields.items()
            if hasattr(kind, "__metadata__")
        }
        members = {
            "PARAMETERS": {
                key: ExecutionParameter(type=int if kind is bool else str)
                for key, kind in fields.items()
                if key not in inputs
            },
            "INPUTS": inputs,
            "OUTPUTS": {key: ChannelParameter(type=kind) for key, kind in outputs.items()},
        }
        cls.SPEC_CLASS = type("Spec", (ComponentSpec,), members)
        on_beam = issubclass(executor, BaseBeamExecutor)
        cls.EXECUTOR_SPEC = (BeamExecutorSpec if on_beam else ExecutorClassSpec)(executor)
        if driver := driver_of(executor):
            cls.DRIVER_CLASS = driver
        dataclass(eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        given = dict(vars(self))
        if "task" in given:
            get_task(given["task"])
        for key, value in given.items():
            if isinstance(value, Section):
                given[key] = value.model_dump_json()
            elif isinstance(value, bool):
                given[key] = int(value)
        for key, output in self.SPEC_CLASS.OUTPUTS.items():
            given[key] = Channel(type=output.type)
        super().__init__(self.SPEC_CLASS(**given))


class StepExecutor(BaseExecutor, ABC):
    """An executor whose inputs and outputs are one artifact each.

    Attributes:
        DRIVER: its component's, if what it reads changes behind TFX's back.
    """

    DRIVER: ClassVar["type[CacheKeyDriver] | None"] = None

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> None:
        """What TFX calls."""
        self._log_startup(input_dict, output_dict, exec_properties)
        inputs, outputs = (
            {key: artifact_utils.get_single_instance(found) for key, found in some.items()}
            for some in (input_dict, output_dict)
        )
        self.run(inputs, outputs, exec_properties)

    @abstractmethod
    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """What the step does."""


class CacheKeyDriver(base_driver.BaseDriver, portable_base_driver.BaseDriver, ABC):
    """Adds an execution property for what changes behind TFX's back: the cache key has it then.

    On Kubeflow Pipelines, which runs no drivers, a task before the step's asks what is `seen`.

    Attributes:
        KEY: name of the property.
    """

    KEY: ClassVar[str]

    def run(self, execution_info: data_types.ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Called by the launcher before it looks into the cache."""
        given, output = execution_info.exec_properties, driver_output_pb2.DriverOutput()
        told = {self.KEY: self.seen(execution_info.input_dict, given)}
        for key, value in (given | told).items():
            data_types_utils.set_metadata_value(output.exec_properties[key], value)
        return output

    @abstractmethod
    def seen(self, inputs: Artifacts, properties: Properties) -> str:
        """What is there now, as the property's value."""


def driver_of(executor: type[BaseExecutor]) -> type[CacheKeyDriver] | None:
    """What is asked before an executor of ours; None: nothing, as of others'."""
    return executor.DRIVER if issubclass(executor, StepExecutor) else None
