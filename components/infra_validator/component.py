"""The step `InfraValidator`: declares what goes in and out; `executor.py` works."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model

from components.declared import DeclaredComponent
from components.infra_validator.executor import Executor
from components.infra_validator.settings import InfraValidatorConfig


class InfraValidator(DeclaredComponent, executor=Executor, outputs={"blessing": InfraBlessing}):
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

    model: Annotated[BaseChannel, Model]
    examples: Annotated[BaseChannel, Examples]
    _: KW_ONLY
    model_name: str
    task: str = "image_classification"
    config: InfraValidatorConfig = InfraValidatorConfig()
