"""Which of several classes a picture shows."""

from typing import ClassVar

from components import features
from components.tasks.base import Task


class ImageClassification(Task):
    """Pictures of two or more classes, one a picture."""

    name: ClassVar[str] = "image_classification"
    package: ClassVar[str] = __name__
    layouts: ClassVar[dict[str, str]] = {
        "auto": "components.datasets.layouts.auto:read",
        "class_folders": "components.datasets.layouts.class_folders:read",
        "flat_names": "components.datasets.layouts.flat_names:read",
        "csv": "components.datasets.layouts.csv_list:read",
        "oxford_list": "components.datasets.layouts.oxford_list:read",
        "tfrecord": "components.datasets.layouts.tfrecord:read",
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
    monitors: ClassVar[tuple[str, ...]] = ("val_loss", "val_accuracy")
    slices: ClassVar[tuple[str, ...]] = (features.LABEL_NAME, features.ORIENTATION)
    mixes: ClassVar[bool] = True
