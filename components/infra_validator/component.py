"""The step `InfraValidator`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model

from components.declared import DeclaredComponent, spec
from components.infra_validator.executor import Executor
from components.infra_validator.settings import InfraValidatorConfig


class InfraValidator(DeclaredComponent):
    """Serves the exported model by itself and compares its answers with the SavedModel's own.

    Takes the place of TFX's step of the same name, which needs a container engine or a cluster;
    its blessing is the same, so TFX's pusher reads it. The output `blessing` also holds
    `reason.txt` when the model is not blessed.

    Args:
        model: the exported model.
        examples: Examples with a `test` split.
        model_name: the name the model is served under.
        task: name or import path: which outputs the model has to have.
        config: how much is asked, and for how long.
    """

    SPEC_CLASS = spec(
        {"model": Model, "examples": Examples},
        {"blessing": InfraBlessing},
        parameters=("model_name", "task", "config"),
    )
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: BaseChannel,
        examples: BaseChannel,
        *,
        model_name: str,
        task: str = "image_classification",
        config: InfraValidatorConfig = InfraValidatorConfig(),  # noqa: B008  # it is frozen
    ):
        super().__init__(
            model=model, examples=examples, model_name=model_name, task=task, config=config
        )
