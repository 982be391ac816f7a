"""Which of several classes a picture shows."""

from components import features
from components.datasets.layouts import SHIPPED
from components.explanations import GRADES
from components.tasks import Task


class ImageClassification(Task):
    """Pictures of two or more classes, one a picture."""

    name = "image_classification"
    package = __name__
    layouts = {
        name: SHIPPED[name]
        for name in ("auto", "class_folders", "flat_names", "csv", "oxford_list", "tfrecord")
    }
    layout = "auto"
    model = "mini_xception"
    thresholds = ("accuracy", "auc", "macro_f1", "precision", "recall", "f1", "top_k_accuracy")
    grades = GRADES
    monitors = ("val_loss", "val_accuracy")
    slices = (features.LABEL_NAME, features.ORIENTATION)
    mixes = True
