"""The step `Pusher`: what TFX's takes, and what a check on the live server needs."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, ModelBlessing, PushedModel

from components.artifacts import Report
from components.declared import DeclaredComponent
from components.pusher.executor import Executor
from components.pusher.settings import PusherConfig


class Pusher(DeclaredComponent, executor=Executor, outputs={"pushed_model": PushedModel}):
    """Pushes a blessed model, once, and keeps it there only if the live server takes it.

    The output `pushed_model` is TFX's PushedModel and holds `push.json` (components/artifacts.py).

    Args:
        model: the exported model.
        model_blessing: the evaluator's.
        infra_blessing: the infra validator's; None: it is not asked.
        base_directory: folder or URL of the model's versions.
        config: the section `pusher`.
        report: of the interpreter: the model card in it travels with the version.
        examples: with a `test` split; needed for `config.live_check`.
    """

    model: Annotated[BaseChannel, Model]
    model_blessing: Annotated[BaseChannel, ModelBlessing]
    infra_blessing: Annotated[BaseChannel | None, InfraBlessing] = None
    _: KW_ONLY
    base_directory: str
    task: str = "image_classification"
    config: PusherConfig
    report: Annotated[BaseChannel | None, Report] = None
    examples: Annotated[BaseChannel | None, Examples] = None
