"""What is asked of a model; a section of the pipeline's configuration."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, field_validator

from components import extension
from components.settings import PositiveInt, Section
from components.tasks import Task
from serving.errors import InputError, check_one_of, mistakes_of


class Threshold(Section):
    """What a metric must reach on the test split before a model may be pushed."""

    min: float | None = None
    """Smallest allowed value."""
    max_drop: Annotated[float, Field(ge=0.0)] | None = None
    """How much worse than the model now served it may be (0: not at all)."""

    def bounds(self) -> Iterator[tuple[str, float]]:
        """Those that are set, by name."""
        for name in ("min", "max_drop"):
            bound = getattr(self, name)
            if bound is not None:
                yield name, bound


class MetricConfig(Section):
    """A metric of your own: a class of TensorFlow Model Analysis that gives one number."""

    path: str
    """Import path, `package.module:Class`, of a subclass of `tfma.metrics.Metric`."""
    args: dict[str, Any] = {}
    """Arguments of its constructor, besides `name`."""


class EvaluatorConfig(Section):
    """How a model is measured."""

    thresholds: dict[str, Threshold]
    """By metric name, on the whole test split. One on a metric of single classes holds for each."""
    slice_thresholds: dict[str, Threshold] = {}
    """By metric name, on every slice that is large enough."""
    slices: list[str] = []
    """Features of an Example to slice the test split by, such as `image/orientation`."""
    min_slice_size: PositiveInt = 20
    """Slices with fewer Examples are neither shown nor checked."""
    confidence_intervals: bool = True
    """95% intervals beside each figure; see components/metrics/intervals.py."""
    metrics: dict[str, MetricConfig] = {}
    """Metrics of your own by the name they get; an import path may stand for the whole entry."""

    @field_validator("metrics", mode="before")
    @classmethod
    def _paths(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {"path": entry} if isinstance(entry, str) else entry
            for name, entry in value.items()
        }

    def mistakes(self) -> Iterator[InputError]:
        """Thresholds that could never be checked would bless everything."""
        for section, name, threshold in self._thresholds():
            if not list(threshold.bounds()):
                key = f"evaluator.{section}.{name}"
                yield InputError(key, expected="min, max_drop or both", found="neither")
        if self.slice_thresholds and not self.slices:
            yield InputError(
                "evaluator.slice_thresholds",
                expected="evaluator.slices to name the feature keys to slice by",
                found="no slices",
            )
        yield from mistakes_of(self.metric_paths)

    def task_mistakes(self, task: Task) -> Iterator[InputError]:
        """What makes no sense for a task: names of metrics and of features; no threshold at all."""
        if not list(self._thresholds()):
            expected = "at least one metric with what it must reach, or no model is ever pushed"
            yield InputError("evaluator.thresholds", expected=expected, found="none")
        known = [*task.thresholds, *self.metrics]
        of = f"a metric of {task.name}:"
        asked = [(f"evaluator.{x}.{name}", name, known, of) for x, name, _ in self._thresholds()]
        of = f"keys of {task.name}:"
        asked += [("evaluator.slices", feature, list(task.slices), of) for feature in self.slices]
        for arguments in asked:
            yield from mistakes_of(check_one_of, *arguments)
        for name in self.metrics:
            if name in task.thresholds:
                yield InputError(
                    f"evaluator.metrics.{name}",
                    expected="a name of its own",
                    found=f"that of a metric of {task.name}",
                )

    def metric_paths(self) -> dict[str, str]:
        """Import paths of the own metrics, by name."""
        return {
            name: extension.resolve(
                metric.path, {}, kind="metrics", key=f"evaluator.metrics.{name}"
            )
            for name, metric in self.metrics.items()
        }

    def sources(self) -> tuple[str, ...]:
        """Dotted modules of the own metrics: code that the step runs by name."""
        return tuple(extension.module_of(path) for path in self.metric_paths().values())

    def _thresholds(self) -> Iterator[tuple[str, str, Threshold]]:
        for section in ("thresholds", "slice_thresholds"):
            for name, threshold in getattr(self, section).items():
                yield section, name, threshold
