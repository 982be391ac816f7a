"""Finds the model now served, so that the evaluator can compare; needs no TFX resolver."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Model

from components.baseline.executor import Executor
from components.declared import DeclaredComponent


class Baseline(DeclaredComponent, executor=Executor, outputs={"baseline": Model}):
    """Emits a copy of the served version to compare with, or a Model that only says NO_BASELINE.

    Args:
        model: the candidate, which is never its own baseline.
        model_base_path: folder or URL of the model's versions.
        model_config_file: the server's, which may call one of them `stable`; empty: none.
    """

    model: Annotated[BaseChannel, Model]
    _: KW_ONLY
    model_base_path: str
    model_config_file: str = ""
