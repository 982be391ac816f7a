"""What can be said about a search for better settings; a section of the pipeline's configuration.

Everything that can be wrong in it is told before anything runs.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, field_validator
from pydantic_core import PydanticCustomError

from components.settings import PositiveInt, Section, leaves
from components.tasks import Task
from components.trainer.sections import ExportConfig
from components.trainer.settings import Scalar, TrainerConfig, describe, replace_values
from serving.errors import InputError, nearest

# Keys that are not searched.
FIXED = frozenset(
    (
        *("model", "image_size", "weights", "precision", "seed"),  # what is learnt
        *("epochs", "monitor", "patience"),  # by what it is judged
        *("sample_epochs", *(f"export.{key}" for key in ExportConfig.model_fields)),  # how told
    )
)


def _number(value: Any) -> Any:
    if type(value) in (int, float) and math.isfinite(value):
        return value
    raise PydanticCustomError("number", "Input should be a finite number")


# Checked as a whole: a union's errors would name its members in the key.
Number = Annotated[int | float, PlainValidator(_number)]
Value = Annotated[
    bool | int | float | str,
    PlainValidator(lambda value: value if isinstance(value, bool | str) else _number(value)),
]


class Dimension(Section):
    """The values that one key may take: a range, or a list."""

    min: Number | None = None
    """Lower end of a range, included. It is one of whole numbers where both ends are whole and the
    key does not hold a fraction."""
    max: Number | None = None
    """Upper end, included."""
    log: bool = False
    """Whether every factor, rather than every difference, is equally likely; for ends above 0."""
    values: list[Value] | None = None
    """In place of a range: at least two, all of one kind."""

    @property
    def corners(self) -> list[Scalar]:
        """The ends of the range, or all values."""
        if self.values is not None:
            return list(self.values)
        assert self.min is not None and self.max is not None, "see _dimension_mistakes"
        return [self.min, self.max]

    @property
    def kind(self) -> type:
        """What all values are; float where numbers are mixed."""
        kinds = {type(value) for value in self.corners}
        return float if kinds == {int, float} else kinds.pop()


class TunerConfig(Section):
    """A search before the training, which then takes what was best."""

    trials: PositiveInt = 10
    """Trainings that are compared, at most; a small space has fewer."""
    epochs: PositiveInt
    """Of each trial."""
    algorithm: Literal["random", "bayesian"] = "random"
    """`bayesian` is a Gaussian process over what was tried: for few trials that are dear."""
    objective: str = ""
    """The value that tells the best trial, at its best epoch; empty: that of `trainer.monitor`."""
    space: dict[str, Dimension]
    """What may vary, by dotted key below `trainer`."""

    @field_validator("space", mode="before")
    @classmethod
    def _flat(cls, space: Any) -> Any:
        """Takes sections in sections, as `--set tuner.space.optimizer.ema=...` makes them, too."""
        known = Dimension.model_fields
        return dict(leaves(space, whole=known)) if isinstance(space, dict) else space

    def mistakes(self) -> Iterator[InputError]:
        """An empty space, a dimension that is none, too few trials to learn from."""
        if not self.space:
            yield InputError("tuner.space", expected="at least one key", found="none")
        for key, dimension in self.space.items():
            yield from _dimension_mistakes(f"tuner.space.{key}", dimension)
        if self.algorithm == "bayesian" and self.trials <= self.random_trials:
            yield InputError(
                "tuner.trials",
                expected=f"more than the {self.random_trials} that a bayesian search of "
                f"{len(self.space)} keys draws at random first",
                found=str(self.trials),
            )

    @property
    def random_trials(self) -> int:
        """Trials that a Bayesian search draws at random, before it has something to go by."""
        return len(self.space) + 2

    def trial_config(self, trainer: TrainerConfig) -> TrainerConfig:
        """What all trials have in common, from the training that the search is for.

        Raises:
            InputError: it makes no sense for so few epochs.
        """
        monitor = self.objective or trainer.monitor
        shown = {"sample_epochs": 0, "export": ExportConfig()}  # no trial is exported
        common = trainer.model_copy(update=shown | {"monitor": monitor})
        try:
            return replace_values(common, {"epochs": self.epochs})
        except InputError as error:
            raise InputError(f"tuner.epochs: {error}") from error

    def task_mistakes(self, task: Task, trainer: TrainerConfig) -> Iterator[InputError]:
        """What no trial could be made of, or what trials could not be compared in."""
        if trainer.stages:
            yield InputError(
                "trainer.stages",
                expected="none with a tuner",
                found=str(len(trainer.stages)),
                todo="leave out the key, and give the last stage trainer.weights if need be",
            )
            return
        try:
            trainer.check_trains("a tuner")
            base = self.trial_config(trainer)
        except InputError as error:
            yield error
            return
        if base.monitor not in task.monitors:
            yield InputError(
                "tuner.objective",
                expected=f"one of {', '.join(task.monitors)}",
                found=repr(base.monitor),
            )
            return
        held = leaves(base.model_dump())
        keys = [key for key, value in held if isinstance(value, Scalar) and key not in FIXED]
        wrong = [error for key in self.space for error in _key_mistakes(key, keys, base.monitor)]
        yield from wrong
        # A value is not to blame for what is wrong without it, which is told elsewhere.
        if not wrong and not list(trainer.task_mistakes(task)):
            yield from _value_mistakes((base, trainer), self.space, task)


def _dimension_mistakes(name: str, dimension: Dimension) -> Iterator[InputError]:
    """What is neither a range nor a list."""
    low, high, values = dimension.min, dimension.max, dimension.values
    if values is None:
        expected = "'min' below 'max', both above 0 with 'log', or 'values'"
        ordered = low is not None and high is not None and low < high
        fits = ordered and (not dimension.log or (low or 0) > 0)
    else:
        expected = "'values', two or more of one kind, all different, and nothing else"
        kinds = {type(value) for value in values}
        fits = len(values) == len(set(values)) > 1 and (len(kinds) == 1 or kinds == {int, float})
        fits = fits and low is high is None and not dimension.log
    if not fits:
        yield InputError(
            name, expected=expected, found=str(dimension.model_dump(exclude_unset=True))
        )


def _key_mistakes(key: str, keys: list[str], objective: str) -> Iterator[InputError]:
    if key in FIXED:
        yield InputError(
            f"tuner.space.{key}",
            expected=f"a key that trials may differ in, none of {', '.join(sorted(FIXED))}",
        )
        return
    section, _, last = key.partition(".")
    if key not in keys and (section != "model_args" or not last or "." in last):
        hint = nearest(key, [*keys, f"model_args.{last or 'NAME'}"])
        yield InputError(f"tuner.space.{key}: unknown key", todo=hint)
    elif section == "loss" and objective == "val_loss":
        yield InputError(
            f"tuner.space.{key}: it changes what val_loss means",
            todo="set tuner.objective to another value",
        )


def _value_mistakes(
    configs: Sequence[TrainerConfig], space: dict[str, Dimension], task: Task
) -> Iterator[InputError]:
    """Values that are wrong by themselves, or beside another key's; one for each key or pair."""
    wrong: set[str] = set()
    for names in [*((key,) for key in space), *itertools.combinations(space, 2)]:
        for corner in itertools.product(*(space[name].corners for name in names)):
            if not wrong.isdisjoint(names):
                break
            values = dict(zip(names, corner, strict=True))
            try:
                for config in configs:
                    replace_values(config, values).check_task(task)
            except InputError as error:
                wrong.update(names)
                yield InputError(f"tuner.space ({describe(values)}): {error}")
