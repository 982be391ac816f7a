"""A training's settings with some values replaced: what a tuner varies, and what it chose."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from components.settings import expected_by
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

Scalar = bool | int | float | str


def replace_values(config: TrainerConfig, values: Mapping[str, Scalar]) -> TrainerConfig:
    """The configuration with other values, by dotted key, as in `optimizer.weight_decay`.

    Raises:
        InputError: an unknown key, or a value that its key does not take.
    """
    tree = config.model_dump()
    for key, value in values.items():
        *sections, last = key.split(".")
        node: Any = tree
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        # The keys of `model_args` are the architecture's own.
        if not isinstance(node, dict) or (last not in node and sections != ["model_args"]):
            raise InputError(f"trainer.{key}: unknown key")
        node[last] = value
    try:
        return TrainerConfig.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "value_error":  # one of ours, whole already
            raise InputError(str(problem["ctx"]["error"])) from error
        key = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"trainer.{key}", expected=expected_by(problem["msg"]), found=repr(problem["input"])
        ) from error


def describe(values: Mapping[str, Scalar]) -> str:
    """The values for a line of a log: `learning_rate 0.00123, optimizer.name adam`."""
    return ", ".join(
        f"{key} {format(value, '.4g') if isinstance(value, float) else value}"
        for key, value in values.items()
    )
