"""What a kind of problem is: one object that every step asks, and parts that it imports when asked.

A task's face is light: configuration and command line read it without TensorFlow. Its parts are
classes in modules of their own, so that an edit of the report trains nothing anew. A part is made
of the data set's classes; see `components.tasks.parts` for what each has to answer.
"""

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from components import features
from serving.classes import Classes
from serving.errors import InputError

if TYPE_CHECKING:
    from components.tasks import parts

DATA, TRAINING, EVALUATION, EXPORT, REPORT = PARTS = (
    "data",
    "training",
    "evaluation",
    "export",
    "report",
)


class Task:
    """A kind of problem. A task from outside is a subclass, named by its import path.

    Attributes:
        name: in the configuration; of an outside task its import path is the name.
        package: dotted name of the package whose modules `data`, `training`, `evaluation`, `export`
            and `report` each define a class `Part`.
        unit, item: what an Example is, in the plural, and the column of what it was read from.
        layouts: layouts that can be read: name -> import path of the reader.
        layout: the one where the configuration names none.
        model: the architecture where the configuration names none.
        key, origin: features of the split key, and of where an Example was read from.
        thresholds: metrics that thresholds can be put on; for all of them higher is better.
        monitors: values that can tell the best epoch.
        slices: features to slice an evaluation by.
        has_images: whether an Example is a picture: then it has a size, augmentation, Grad-CAM and
            conversions.
        has_masks: whether the classes are of pixels.
        mixes: whether targets can be blended (mixup).
    """

    name: ClassVar[str] = ""
    package: ClassVar[str] = ""
    unit: ClassVar[str] = "images"
    item: ClassVar[str] = "file"
    layouts: ClassVar[dict[str, str]] = {}
    layout: ClassVar[str] = ""
    model: ClassVar[str] = ""
    key: ClassVar[str] = features.KEY
    origin: ClassVar[str] = features.FILENAME
    thresholds: ClassVar[tuple[str, ...]] = ()
    monitors: ClassVar[tuple[str, ...]] = ("val_loss",)
    slices: ClassVar[tuple[str, ...]] = ()
    has_images: ClassVar[bool] = True
    has_masks: ClassVar[bool] = False
    mixes: ClassVar[bool] = False

    def check(self, config: Any) -> Iterator[InputError]:
        """What in a `PipelineConfig` makes no sense for this task, beyond what this face tells."""
        del config
        yield from ()

    def module(self, part: str) -> str:
        """The dotted module of a part: where the code of a step that asks it begins.

        Args:
            part: one of `PARTS`.
        """
        return f"{self.package}.{part}"

    def data(self, classes: Classes | None = None) -> "parts.Data":
        """How records become Examples; without classes, only what needs none."""
        return self._part(DATA, classes)

    def training(self, classes: Classes) -> "parts.Training":
        """What is learned, and by what."""
        return self._part(TRAINING, classes)

    def evaluation(self, classes: Classes) -> "parts.Evaluation":
        """What is measured."""
        return self._part(EVALUATION, classes)

    def export(self, classes: Classes) -> "parts.Export":
        """What a served model answers."""
        return self._part(EXPORT, classes)

    def report(self, classes: Classes) -> "parts.Report":
        """How an Example, its truth and an answer are shown."""
        return self._part(REPORT, classes)

    def _part(self, name: str, classes: Classes | None) -> Any:
        return importlib.import_module(self.module(name)).Part(classes)
