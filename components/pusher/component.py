"""The step `Pusher`: what TFX's declares, and what a check on the live server needs."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.proto import pusher_pb2
from tfx.types import BaseChannel, standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ExecutionParameter

from components.artifacts import Report
from components.declared import DeclaredComponent
from components.pusher.executor import EXAMPLES_KEY, REPORT_KEY, Executor
from components.pusher.settings import PusherConfig


class PusherSpec(specs.PusherSpec):
    """TFX's, with what the model card and the check on the live server need."""

    PARAMETERS = specs.PusherSpec.PARAMETERS | {
        "task": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
    }
    INPUTS = specs.PusherSpec.INPUTS | {
        EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples, optional=True),
        REPORT_KEY: ChannelParameter(type=Report, optional=True),
    }


class Pusher(DeclaredComponent):
    """Pushes a blessed model, once, and keeps it there only if the live server takes it.

    The output `pushed_model` is TFX's PushedModel and holds `push.json` (components/artifacts.py).

    Args:
        model: the exported model.
        model_blessing: the evaluator's.
        infra_blessing: the infra validator's; None: it is not asked.
        base_directory: folder or URL of the model's versions.
        task: name or import path.
        config: the section `pusher`.
        report: of the interpreter: the model card in it travels with the version.
        examples: with a `test` split; needed for `config.live_check`.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: BaseChannel,
        model_blessing: BaseChannel,
        infra_blessing: BaseChannel | None = None,
        *,
        base_directory: str,
        task: str = "image_classification",
        config: PusherConfig,
        report: BaseChannel | None = None,
        examples: BaseChannel | None = None,
    ):
        destination = pusher_pb2.PushDestination()
        destination.filesystem.base_directory = base_directory
        super().__init__(
            model=model,
            model_blessing=model_blessing,
            infra_blessing=infra_blessing,
            push_destination=destination,
            task=task,
            config=config,
            report=report,
            examples=examples,
        )
