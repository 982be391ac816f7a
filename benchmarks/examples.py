"""Pictures on disk to Examples by our own ingest, without a pipeline around it."""

from pathlib import Path

import tensorflow as tf

from components.datasets import Picture
from components.example_gen.convert import RejectedError, convert
from components.example_gen.settings import ExampleGenConfig


def write_examples(root: Path, pictures: list[Picture], path: Path) -> list[Picture]:
    """Writes a gzipped TFRecord file of Examples.

    Args:
        root: the data folder.
        pictures: of `list_pictures`.
        path: the file.

    Returns:
        The pictures that ingest accepts.
    """
    max_side = ExampleGenConfig().max_side
    kept = []
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for picture in pictures:
            try:
                writer.write(convert(root, picture, max_side).example)
            except RejectedError:
                continue
            kept.append(picture)
    return kept
