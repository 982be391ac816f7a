"""Examples made, and the one reader of the TFRecords that example_gen writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from serving.classes import CLASSES_FILE, Classes
from serving.errors import InputError

COMPRESSION = "GZIP"


def make_example(values: Mapping[str, Any]) -> tf.train.Example:
    """An Example of an integer, a text, bytes, or one or more floats by feature."""
    example = tf.train.Example()
    for key, value in values.items():
        feature = example.features.feature[key]
        if isinstance(value, str | bytes):
            feature.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.extend(np.atleast_1d(value))
    return example


def value_of(example: tf.train.Example, key: str) -> Any:
    """The first value of a feature: bytes, an integer or a float; None: it has none."""
    features = example.features.feature
    kind = features[key].WhichOneof("kind") if key in features else None
    return next(iter(getattr(features[key], kind).value), None) if kind else None


def record_files(patterns: str | Sequence[str]) -> list[str]:
    """Paths or URIs of a split's files, sorted.

    Args:
        patterns: file patterns, or the folder of a split.
    """
    asked = [f"{patterns}/*"] if isinstance(patterns, str) else patterns
    found = {path for pattern in asked for path in fileio.glob(pattern)}
    # Names that begin with a point are left by file systems, not by Beam.
    return sorted(path for path in found if not path.rpartition("/")[2].startswith("."))


def read_dataset(patterns: str | Sequence[str]) -> tf.data.Dataset:
    """The serialized Examples of a split, in the order of its files; see `record_files`."""
    files = tf.constant(record_files(patterns), tf.string)  # also of none
    return tf.data.TFRecordDataset(files, compression_type=COMPRESSION)


def read_records(patterns: str | Sequence[str]) -> Iterator[bytes]:
    """The same, one by one."""
    records: Iterator[bytes] = read_dataset(patterns).as_numpy_iterator()
    return records


def read_examples(patterns: str | Sequence[str]) -> Iterator[tf.train.Example]:
    """The same, parsed."""
    return map(tf.train.Example.FromString, read_records(patterns))


def read_classes(examples_uri: str) -> Classes:
    """The classes that example_gen wrote beside the splits.

    Args:
        examples_uri: folder of the Examples artifact.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    where = f"{examples_uri}/{CLASSES_FILE}"
    if not fileio.exists(where):
        raise InputError(
            where,
            expected="the classes of the Examples",
            found="no such file: they were made by an older version",
            todo="ingest the data anew",
        )
    return Classes.from_json(io_utils.read_string_file(where), where)


def write_classes(examples_uri: str, classes: Classes) -> None:
    """Writes the classes beside the splits."""
    io_utils.write_string_file(f"{examples_uri}/{CLASSES_FILE}", classes.to_json())
