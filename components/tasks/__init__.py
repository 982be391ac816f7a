"""What a kind of problem is: one object that every step asks, and parts that it imports when asked.

A task's face is light: configuration and command line read it without TensorFlow. Its parts are
classes in modules of their own, so that an edit of the report trains nothing anew. A part is made
of the data set's classes; see `components.tasks.parts` for what each has to answer.
"""

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from components import extension, features
from serving.classes import Classes
from serving.errors import InputError

if TYPE_CHECKING:
    from components.tasks import parts

SHIPPED = {
    "image_classification": "components.tasks.image_classification:ImageClassification",
    "image_segmentation": "components.tasks.image_segmentation:ImageSegmentation",
    "points": "components.tasks.points:Points",
}


class Task:
    """A kind of problem. A task from outside is a subclass, named by its import path."""

    name: ClassVar[str] = ""  # in the configuration
    # Dotted name of the package whose modules `data`, `training`, `evaluation`, `export` and
    # `report` each define a class `Part`.
    package: ClassVar[str] = ""
    unit: ClassVar[str] = "images"  # what an Example is, in the plural
    item: ClassVar[str] = "file"  # the column of what it was read from
    layouts: ClassVar[dict[str, str]] = {}  # that can be read: name -> import path of the reader
    layout: ClassVar[str] = ""  # where the configuration names none
    model: ClassVar[str] = ""  # the architecture where the configuration names none
    key: ClassVar[str] = features.KEY  # the feature of the split key
    origin: ClassVar[str] = features.FILENAME  # that of where an Example was read from
    thresholds: ClassVar[tuple[str, ...]] = ()  # metrics for them; of all of these higher is better
    grades: ClassVar[tuple[str, ...]] = ()  # of explanations, for thresholds; the same holds
    monitors: ClassVar[tuple[str, ...]] = ("val_loss",)  # values that can tell the best epoch
    slices: ClassVar[tuple[str, ...]] = ()  # features to slice an evaluation by
    # Whether an Example is a picture: then it has a size, augmentation, Grad-CAM and conversions.
    has_images: ClassVar[bool] = True
    has_masks: ClassVar[bool] = False  # whether the classes are of pixels
    mixes: ClassVar[bool] = False  # whether targets can be blended (mixup)

    def check(self, config: Any) -> Iterator[InputError]:
        """What in a `PipelineConfig` makes no sense for this task, beyond what this face tells."""
        yield from config.data.mask_mistakes() if self.has_masks else config.data.label_mistakes()

    def module(self, part: str) -> str:
        """The dotted module of a part: where the code of a step that asks it begins."""
        return f"{self.package}.{part}"

    def data(self, classes: Classes | None = None) -> "parts.Data":
        """How records become Examples; without classes, only what needs none."""
        return self._part("data", classes)

    def training(self, classes: Classes) -> "parts.Training":
        """What is learned, and by what."""
        return self._part("training", classes)

    def evaluation(self, classes: Classes) -> "parts.Evaluation":
        """What is measured."""
        return self._part("evaluation", classes)

    def export(self, classes: Classes) -> "parts.Export":
        """What a served model answers."""
        return self._part("export", classes)

    def report(self, classes: Classes) -> "parts.Report":
        """How an Example, its truth and an answer are shown."""
        return self._part("report", classes)

    def _part(self, name: str, classes: Classes | None) -> Any:
        return importlib.import_module(self.module(name)).Part(classes)


def get_task(name: str) -> Task:
    """The task of a name: one of `SHIPPED`, an announced one, or `package.module:Class`.

    Raises:
        InputError: there is no such task.
    """
    path = extension.resolve(name, SHIPPED, kind="tasks", key="task")
    found = extension.load(path, key="task")
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise InputError("task", expected="a subclass of components.tasks.Task", found=f"'{name}'")
    with extension.calling(path, "task", "a task that can be made"):
        task: Task = found()
    task.name = name  # type: ignore[misc]  # an outside one is known by its import path
    return task
