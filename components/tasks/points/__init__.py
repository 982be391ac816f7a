"""On which side of a line a point of the plane lies: the smallest task, a trial of the system."""

from components import features
from components.tasks import Task


class Points(Task):
    """Rows of two numbers, of two classes."""

    name = "points"
    package = __name__
    unit = "points"
    item = "row"
    layouts = {"points": "components.datasets.layouts.points:read"}
    layout = "points"
    model = "linear"
    key = features.POINT_KEY
    origin = features.POINT_ROW
    thresholds = ("accuracy", "auc", "precision", "recall")
    monitors = ("val_loss", "val_accuracy")
    slices = (features.POINT_LABEL_NAME,)
    has_images = False
