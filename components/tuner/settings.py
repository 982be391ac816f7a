"""What can be said about a search for better settings; a section of the pipeline's configuration.

Everything that can be wrong in it is told before anything runs.
"""

import itertools
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError

from components.settings import PositiveInt, Section
from components.trainer.hyperparameters import Scalar, describe, replace_values
from components.trainer.sections import ExportConfig
from components.trainer.settings import TrainerConfig
from serving.errors import InputError, nearest

# Keys that are not searched: they say what is learnt, by what it is judged, or how it is told.
FIXED = frozenset(
    {
        "model",
        "image_size",
        "epochs",
        "fine_tune.epochs",
        "weights",
        "training_step",
        "monitor",
        "patience",
        "precision",
        "sample_epochs",
        *(f"export.{key}" for key in ExportConfig.model_fields),
        "seed",
    }
)


def _number(value: Any) -> Any:
    if type(value) in (int, float) and math.isfinite(value):
        return value
    raise PydanticCustomError("number", "Input should be a finite number")


def _scalar(value: Any) -> Any:
    return value if isinstance(value, bool | str) else _number(value)


# Checked as a whole: a union's errors would name its members in the key.
Number = Annotated[int | float, PlainValidator(_number)]
Value = Annotated[bool | int | float | str, PlainValidator(_scalar)]


class Dimension(Section):
    """The values that one key may take: a range, or a list.

    Attributes:
        min, max: ends of a range, both included. It is one of whole numbers where both ends are
            whole and the key does not hold a fraction.
        log: whether every factor, rather than every difference, is equally likely; ends above 0.
        values: all of one kind, at least two.
    """

    min: Number | None = None
    max: Number | None = None
    log: bool = False
    values: list[Value] | None = None

    @property
    def corners(self) -> list[Scalar]:
        """The ends of the range, or all values."""
        if self.values is not None:
            return list(self.values)
        assert self.min is not None and self.max is not None, "see _check_dimension"
        return [self.min, self.max]

    @property
    def kind(self) -> type:
        """What all values are; float where numbers are mixed."""
        kinds = {type(value) for value in self.corners}
        return float if kinds == {int, float} else kinds.pop()


class TunerConfig(Section):
    """A search before the training, which then takes what was best.

    Attributes:
        trials: trainings that are compared, at most; a small space has fewer.
        epochs: of each; a model with a pretrained backbone trains its head for so long.
        algorithm: `random`, or `bayesian` (a Gaussian process over what was tried: for few trials
            that are dear).
        objective: the value that tells the best trial, at its best epoch; empty: trainer.monitor.
        space: what may vary, by dotted key below `trainer`.
    """

    trials: PositiveInt = 10
    epochs: PositiveInt
    algorithm: Literal["random", "bayesian"] = "random"
    objective: str = ""
    space: dict[str, Dimension]

    @field_validator("space", mode="before")
    @classmethod
    def _flat(cls, space: Any) -> Any:
        """Takes sections in sections, as `--set tuner.space.optimizer.ema=...` makes them, too."""
        return dict(leaves(space)) if isinstance(space, dict) else space

    @model_validator(mode="after")
    def _dimensions_are_whole(self) -> "TunerConfig":
        if not self.space:
            raise InputError("tuner.space", expected="at least one key", found="none")
        for key, dimension in self.space.items():
            _check_dimension(f"tuner.space.{key}", dimension)
        return self

    @property
    def random_trials(self) -> int:
        """Trials that a Bayesian search draws at random, before it has something to go by."""
        return len(self.space) + 2

    def trial_config(self, trainer: TrainerConfig) -> TrainerConfig:
        """What all trials have in common.

        Args:
            trainer: the training that the search is for.

        Raises:
            InputError: it makes no sense with this objective or for so few epochs.
        """
        common = replace_values(trainer, {"sample_epochs": 0})
        common = common.model_copy(update={"export": ExportConfig()})  # no trial is exported
        objective = self.objective or trainer.monitor
        changes: dict[str, Scalar] = {"monitor": objective, "epochs": self.epochs}
        for key, value in changes.items():
            try:
                common = replace_values(common, {key: value})
            except InputError as error:
                asked = "tuner.epochs" if key == "epochs" else "tuner.objective"
                raise InputError(f"{asked}: {error}") from error
        return common

    def check(self, trainer: TrainerConfig, problem: str) -> None:
        """Refuses what no trial could be made of, or what trials could not be compared in.

        Args:
            trainer: the training that the search is for, valid.
            problem: `classification`, `segmentation` or `points`.

        Raises:
            InputError: naming the key.
        """
        if problem == "points":
            raise InputError("tuner", expected="no such section: it is for pictures")
        trainer.check_single("a tuner")
        trainer.check_trains("a tuner")
        if self.algorithm == "bayesian" and self.trials <= self.random_trials:
            raise InputError(
                "tuner.trials",
                expected=f"more than the {self.random_trials} that a bayesian search of "
                f"{len(self.space)} keys draws at random first",
                found=str(self.trials),
            )
        base = self.trial_config(trainer)
        try:
            base.check_problem(problem)
        except InputError as error:
            raise InputError(
                "tuner.objective", expected=f"a value that {problem} has", found=repr(base.monitor)
            ) from error
        keys = _searchable(base)
        for key in self.space:
            _check_key(key, keys, base.monitor)
        # A value can be wrong by itself, or beside another key's.
        for pair in itertools.combinations_with_replacement(self.space, 2):
            names = list(dict.fromkeys(pair))
            for values in itertools.product(*(self.space[name].corners for name in names)):
                for config in (base, trainer):
                    _check_values(config, dict(zip(names, values, strict=True)), problem)


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of sections in sections; a dimension is a value."""
    for key, value in tree.items():
        if isinstance(value, dict) and value and not value.keys() & Dimension.model_fields.keys():
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _check_dimension(name: str, dimension: Dimension) -> None:
    """Refuses what is neither a range nor a list."""
    ends = [end for end in (dimension.min, dimension.max) if end is not None]
    values = dimension.values
    if values is None:
        if len(ends) < 2:
            raise InputError(name, expected="'min' and 'max', or 'values'")
        if ends[0] >= ends[1]:
            raise InputError(name, expected="min below max", found=f"{ends[0]} and {ends[1]}")
        if dimension.log and ends[0] <= 0:
            raise InputError(name, expected="min above 0 with 'log'", found=str(ends[0]))
        return
    if ends or dimension.log:
        raise InputError(name, expected="either 'min' and 'max', or 'values' alone", found="both")
    if len(values) < 2:
        raise InputError(name, expected="at least two values", found=str(values))
    kinds = {type(value) for value in values}
    if len(kinds) > 1 and kinds != {int, float}:
        raise InputError(name, expected="values of one kind", found=str(values))
    if len(set(values)) < len(values):
        raise InputError(name, expected="each value once", found=str(values))


def _searchable(config: TrainerConfig) -> list[str]:
    """Dotted keys that hold one value; those of `model_args` are the architecture's own."""
    return [
        key
        for key, value in leaves(config.model_dump())
        if isinstance(value, Scalar) and key not in FIXED
    ]


def _check_key(key: str, keys: list[str], objective: str) -> None:
    if key in FIXED:
        raise InputError(
            f"tuner.space.{key}",
            expected=f"a key that trials may differ in, none of {', '.join(sorted(FIXED))}",
        )
    section, _, last = key.partition(".")
    if key not in keys and (section != "model_args" or not last or "." in last):
        hint = nearest(key, [*keys, f"model_args.{last or 'NAME'}"])
        raise InputError(f"tuner.space.{key}: unknown key", todo=hint)
    if section == "loss" and objective == "val_loss":
        raise InputError(
            f"tuner.space.{key}: it changes what val_loss means",
            todo="set tuner.objective to another value",
        )


def _check_values(base: TrainerConfig, values: dict[str, Scalar], problem: str) -> None:
    try:
        replace_values(base, values).check_problem(problem)
    except InputError as error:
        raise InputError(f"tuner.space ({describe(values)}): {error}") from error
