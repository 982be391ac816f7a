"""On which side of a line a point of the plane lies: the smallest task, a trial of the system."""

from typing import ClassVar

from components import features
from components.tasks.base import Task


class Points(Task):
    """Rows of two numbers, of two classes."""

    name: ClassVar[str] = "points"
    package: ClassVar[str] = __name__
    unit: ClassVar[str] = "points"
    item: ClassVar[str] = "row"
    layouts: ClassVar[dict[str, str]] = {"points": "components.datasets.layouts.points:read"}
    layout: ClassVar[str] = "points"
    model: ClassVar[str] = "linear"
    key: ClassVar[str] = features.POINT_KEY
    origin: ClassVar[str] = features.POINT_ROW
    thresholds: ClassVar[tuple[str, ...]] = ("accuracy", "auc", "precision", "recall")
    monitors: ClassVar[tuple[str, ...]] = ("val_loss", "val_accuracy")
    slices: ClassVar[tuple[str, ...]] = (features.POINT_LABEL_NAME,)
    has_images: ClassVar[bool] = False
