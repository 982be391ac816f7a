"""Which class every pixel of a picture belongs to."""

from components import features
from components.datasets.layouts import SHIPPED
from components.tasks import Task


class ImageSegmentation(Task):
    """Pictures with masks of two or more classes."""

    name = "image_segmentation"
    package = __name__
    layouts = {name: SHIPPED[name] for name in ("masks", "tfrecord")}
    layout = "masks"
    model = "xception_unet"
    thresholds = ("mean_iou", "pixel_accuracy", "iou")
    monitors = ("val_loss", "val_mean_iou", "val_pixel_accuracy")
    slices = (features.ORIENTATION,)
    has_masks = True
