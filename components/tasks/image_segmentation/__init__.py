"""Which class every pixel of a picture belongs to."""

from typing import ClassVar

from components import features
from components.datasets.layouts import SHIPPED
from components.tasks.base import Task


class ImageSegmentation(Task):
    """Pictures with masks of two or more classes."""

    name: ClassVar[str] = "image_segmentation"
    package: ClassVar[str] = __name__
    layouts: ClassVar[dict[str, str]] = {name: SHIPPED[name] for name in ("masks", "tfrecord")}
    layout: ClassVar[str] = "masks"
    model: ClassVar[str] = "xception_unet"
    thresholds: ClassVar[tuple[str, ...]] = ("mean_iou", "pixel_accuracy", "iou")
    monitors: ClassVar[tuple[str, ...]] = ("val_loss", "val_mean_iou", "val_pixel_accuracy")
    slices: ClassVar[tuple[str, ...]] = (features.ORIENTATION,)
    has_masks: ClassVar[bool] = True
