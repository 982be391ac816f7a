"""What is asked of a model; a section of the pipeline's configuration."""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import model_validator

from components import extension
from components.settings import Natural, NotNegative, PositiveInt, Section
from components.tasks import Task
from serving.errors import InputError, check_one_of, mistakes_of


class Threshold(Section):
    """What a metric must reach on the test split before a model may be pushed."""

    min: float | None = None
    """Smallest allowed value."""
    max_drop: NotNegative | None = None
    """How much worse than the model now served it may be (0: not at all)."""
    judge: Literal["value", "lower"] = "value"
    """What `min` is compared with: the value, or the lower end of its 95% interval, which few
    Examples leave far below it (values that are all alike aside)."""

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

    @model_validator(mode="before")
    @classmethod
    def _of_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value


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
    graded_images: Natural = 0
    """How many test pictures the explanations are graded on, the same in every run (0: none); the
    served model's as well. See docs/interpretation.md."""
    metrics: dict[str, MetricConfig] = {}
    """Metrics of your own by the name they get; an import path may stand for the whole entry."""

    def mistakes(self) -> Iterator[InputError]:
        """Thresholds that could never be checked would bless everything."""
        for section, name, threshold in self._thresholds():
            if not list(threshold.bounds()):
                key = f"evaluator.{section}.{name}"
                yield InputError(key, expected="min, max_drop or both", found="neither")
            if threshold.judge == "lower":
                key = f"evaluator.{section}.{name}.judge"
                if threshold.min is None:
                    yield InputError(key, expected="a min, which it is about", found="none")
                if not self.confidence_intervals:
                    expected = "evaluator.confidence_intervals: true, for there to be a lower end"
                    yield InputError(key, expected=expected, found="false")
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
        if self.graded_images and not task.grades:
            expected = f"0: explanations of {task.name} have no grades"
            yield InputError(
                "evaluator.graded_images", expected=expected, found=str(self.graded_images)
            )
        known = [*task.thresholds, *(task.grades if self.graded_images else ()), *self.metrics]
        of = f"a metric of {task.name}:"
        for section, name, _ in self._thresholds():
            key = f"evaluator.{section}.{name}"
            if name in task.grades and not self.graded_images:
                yield InputError(key, expected="evaluator.graded_images above 0", found="0")
            else:
                yield from mistakes_of(check_one_of, key, name, known, of)
        of = f"keys of {task.name}:"
        for feature in self.slices:
            yield from mistakes_of(check_one_of, "evaluator.slices", feature, task.slices, of)
        for name in self.metrics:
            if name in (*task.thresholds, *task.grades):
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

    def _thresholds(self) -> Iterator[tuple[str, str, Threshold]]:
        for section in ("thresholds", "slice_thresholds"):
            for name, threshold in getattr(self, section).items():
                yield section, name, threshold
