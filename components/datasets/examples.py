"""The one reader of the TFRecords that example_gen writes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from serving.classes import CLASSES_FILE, Classes

if TYPE_CHECKING:
    import tensorflow as tf

COMPRESSION = "GZIP"


def record_files(patterns: str | Sequence[str]) -> list[str]:
    """Paths or URIs of a split's files, sorted.

    Args:
        patterns: file patterns, or the folder of a split.
    """
    from tfx.dsl.io import fileio

    asked = [f"{patterns}/*"] if isinstance(patterns, str) else patterns
    found = {path for pattern in asked for path in fileio.glob(pattern)}
    # Names that begin with a point are left by file systems, not by Beam.
    return sorted(path for path in found if not path.rpartition("/")[2].startswith("."))


def read_dataset(patterns: str | Sequence[str]) -> "tf.data.Dataset":
    """The serialized Examples of a split, in the order of its files; see `record_files`."""
    import tensorflow as tf

    files = record_files(patterns)
    if not files:
        return tf.data.Dataset.from_tensor_slices(tf.constant([], tf.string))
    return tf.data.TFRecordDataset(files, compression_type=COMPRESSION)


def read_records(patterns: str | Sequence[str]) -> Iterator[bytes]:
    """The same, one by one."""
    records: Iterator[bytes] = read_dataset(patterns).as_numpy_iterator()
    return records


def read_examples(patterns: str | Sequence[str]) -> Iterator["tf.train.Example"]:
    """The same, parsed."""
    import tensorflow as tf

    return map(tf.train.Example.FromString, read_records(patterns))


def read_classes(examples_uri: str) -> Classes:
    """The classes that example_gen wrote beside the splits.

    Args:
        examples_uri: folder of the Examples artifact.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    from tfx.dsl.io import fileio

    from serving.errors import InputError

    where = f"{examples_uri}/{CLASSES_FILE}"
    if not fileio.exists(where):
        raise InputError(
            where,
            expected="the classes of the Examples",
            found="no such file: they were made by an older version",
            todo="ingest the data anew",
        )
    with fileio.open(where) as file:
        return Classes.from_json(file.read(), where)


def write_classes(examples_uri: str, classes: Classes) -> None:
    """Writes the classes beside the splits."""
    from tfx.dsl.io import fileio

    fileio.makedirs(examples_uri)
    with fileio.open(f"{examples_uri}/{CLASSES_FILE}", "w") as file:
        file.write(classes.to_json())
