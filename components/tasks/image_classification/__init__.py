"""Which of several classes a picture shows."""

from typing import ClassVar

from components import features
from components.datasets.layouts import SHIPPED
from components.explanations import GRADES
from components.tasks.base import Task


class ImageClassification(Task):
    """Pictures of two or more classes, one a picture."""

    name: ClassVar[str] = "image_classification"
    package: ClassVar[str] = __name__
    layouts: ClassVar[dict[str, str]] = {
        name: SHIPPED[name]
        for name in ("auto", "class_folders", "flat_names", "csv", "oxford_list", "tfrecord")
    }
    layout: ClassVar[str] = "auto"
    model: ClassVar[str] = "mini_xception"
    thresholds: ClassVar[tuple[str, ...]] = (
        "accuracy",
        "auc",
        "macro_f1",
        "precision",
        "recall",
        "f1",
        "top_k_accuracy",
    )
    grades: ClassVar[tuple[str, ...]] = GRADES
    monitors: ClassVar[tuple[str, ...]] = ("val_loss", "val_accuracy")
    slices: ClassVar[tuple[str, ...]] = (features.LABEL_NAME, features.ORIENTATION)
    mixes: ClassVar[bool] = True
