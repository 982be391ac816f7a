"""Tiny artifacts for the steps' tests."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def _feature(value: Any) -> Any:
    import tensorflow as tf

    if isinstance(value, int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        Image.fromarray(value).save(buffer, "PNG")
        value = buffer.getvalue()
    if isinstance(value, str | bytes):
        value = value.encode() if isinstance(value, str) else value
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    floats = [value] if isinstance(value, float) else value
    return tf.train.Feature(float_list=tf.train.FloatList(value=floats))


@pytest.fixture(scope="session")
def serialize() -> Callable[[Mapping[str, Any]], bytes]:
    """An Example of its values by feature.

    They are numbers, lists of floats, texts, bytes, or images: arrays of uint8, stored as PNGs.
    """

    def make(values: Mapping[str, Any]) -> bytes:
        import tensorflow as tf

        feature = {key: _feature(value) for key, value in values.items()}
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    return make


@pytest.fixture(scope="session")
def make_artifact() -> Callable[..., Any]:
    """make(kind, folder): an artifact of TFX's in that folder."""

    def make(kind: Any, folder: Path) -> Any:
        made = kind()
        made.uri = str(folder)
        return made

    return make


@pytest.fixture(scope="session")
def write_examples(
    make_artifact: Callable[..., Any], serialize: Callable[[Mapping[str, Any]], bytes]
) -> Callable[..., Any]:
    """write(folder, {split: [what `serialize` takes]}, classes=None, shards=1): an artifact."""

    def write(
        folder: Path,
        splits: Mapping[str, Sequence[Mapping[str, Any]]],
        classes: Any = None,
        shards: int = 1,
    ) -> Any:
        import tensorflow as tf
        from tfx.types import artifact_utils, standard_artifacts

        from components.datasets.examples import write_classes

        for split, examples in splits.items():
            target = folder / f"Split-{split}"
            target.mkdir(parents=True)
            for shard in range(shards):
                path = target / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
                with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                    for values in examples[shard::shards]:
                        writer.write(serialize(values))
        if classes is not None:
            write_classes(str(folder), classes)
        artifact = make_artifact(standard_artifacts.Examples, folder)
        artifact.split_names = artifact_utils.encode_split_names(list(splits))
        artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        return artifact

    return write
