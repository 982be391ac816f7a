"""Images on disk to Examples by our own ingest, without a pipeline around it."""

from pathlib import Path

import tensorflow as tf

from components.datasets.examples import COMPRESSION, write_classes
from components.datasets.records import Record
from components.example_gen.settings import ExampleGenConfig
from components.tasks import get_task
from components.tasks.parts import RejectedError
from serving.classes import Classes


def write_examples(root: Path, records: list[Record], classes: Classes, uri: Path) -> list[Record]:
    """Writes Examples of images of one class each as a split `train`, with their classes.

    Args:
        root: the data folder.
        records: of `settle_labels`.
        classes: of it, too.
        uri: the folder of the Examples.

    Returns:
        The records that ingest accepts.
    """
    part = get_task("image_classification").data(classes)
    max_side = ExampleGenConfig().max_side
    kept = []
    write_classes(str(uri), classes)
    path = uri / "Split-train" / "data.gz"
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path), COMPRESSION) as writer:
        for record in records:
            try:
                writer.write(part.convert(root, record, max_side).example)
            except RejectedError:
                continue
            kept.append(record)
    return kept
