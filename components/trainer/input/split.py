"""Examples on disk to decoded pictures: read once, decode once.

Decoded pictures are kept as uint8, rounded: a quarter of float32's memory, at an error of at most
half a grey level in 255 against what the served model decodes. They lie in memory, or, beyond
`MEMORY_BYTES`, in a nameless temporary file that the system reads back page by page and that is
gone with the process, however it ends.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import features, preprocessing
from serving.errors import InputError

MEMORY_BYTES = 2 * 1024**3  # decoded pictures and masks of one split that may lie in memory

_SCAN_BATCH = 256
_DECODE_BATCH = 16


@dataclass(frozen=True)
class Index:
    """What one pass over a split tells without decoding.

    Attributes:
        split: its name.
        files: paths or URIs of its TFRecord files.
        keys: split keys, one an Example, in training order.
        positions: int64 [n]: for the i-th record on disk its place in training order.
        digest: hex digest of everything training depends on: file names, keys, labels, and the
            encoded pictures and masks; not of the order or number of the files.
    """

    split: str
    files: list[str]
    keys: list[str]
    positions: np.ndarray
    digest: str

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Pictures:
    """A decoded split.

    Attributes:
        images: uint8 [n, size, size, 3], RGB.
        targets: float32 [n, 1] of 0 and 1 (classification) or uint8 [n, size, size] of class ids
            (segmentation).
    """

    images: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def index_split(patterns: list[str], split: str, problem: str) -> Index:
    """Reads a split once, without decoding, and puts its Examples into an order of their own.

    Beam writes Examples in any order, so they are sorted by key and file name: training depends
    on the data alone.

    Args:
        patterns: file patterns of gzipped TFRecords of Examples.
        split: the split's name, for messages.
        problem: 'classification' or 'segmentation'.

    Raises:
        InputError: the split is empty.
    """
    files = sorted({path for pattern in patterns for path in tf.io.gfile.glob(pattern)})
    rows: list[tuple[str, str, int, str]] = []
    if files:
        records = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(_SCAN_BATCH)
        for batch in records.map(lambda records: _describe(records, problem)).as_numpy_iterator():
            columns = (batch["key"], batch["name"], batch["label"], batch["content"])
            for key, name, label, content in zip(*columns, strict=True):
                rows.append((key.decode(), name.decode(), int(label), content.tobytes().hex()))
    if not rows:
        raise InputError(
            f"the {split} split",
            expected="at least one picture",
            found="none",
            todo="add pictures or change example_gen's split",
        )
    if problem == "classification":
        _check_labels(split, {row[2] for row in rows})
    order = sorted(range(len(rows)), key=rows.__getitem__)
    positions = np.empty(len(rows), np.int64)
    positions[order] = np.arange(len(rows))
    digest = hashlib.sha256(repr([rows[i] for i in order]).encode()).hexdigest()
    return Index(split, files, [rows[i][0] for i in order], positions, digest)


def load_split(
    index: Index, problem: str, image_size: int, memory_bytes: int = MEMORY_BYTES
) -> Pictures:
    """Decodes a split, once, with the same function that the served model uses.

    Args:
        index: of `index_split`.
        problem: 'classification' or 'segmentation'.
        image_size: side of the pictures in pixels.
        memory_bytes: decoded bytes beyond which a temporary file takes the pictures.

    Raises:
        InputError: a mask with a class id that there is none for.
    """
    shape = (len(index), image_size, image_size)
    masks = problem == "segmentation"
    in_file = int(np.prod(shape)) * (4 if masks else 3) > memory_bytes
    images = _allocate((*shape, 3), np.uint8, in_file)
    targets = (
        _allocate(shape, np.uint8, in_file) if masks else np.empty((len(index), 1), np.float32)
    )
    dataset = (
        tf.data.TFRecordDataset(index.files, compression_type="GZIP")
        .map(
            lambda record: _decode(record, problem, image_size),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .batch(_DECODE_BATCH)
        .prefetch(1)
    )
    start = 0
    for image_batch, target_batch in dataset.as_numpy_iterator():
        places = index.positions[start : start + len(image_batch)]
        images[places] = image_batch
        targets[places] = target_batch
        start += len(image_batch)
        if masks and target_batch.max() >= len(features.MASK_CLASS_NAMES):
            raise InputError(
                f"a mask of the {index.split} split",
                expected=f"class ids 0 to {len(features.MASK_CLASS_NAMES) - 1}",
                found=str(target_batch.max()),
            )
    return Pictures(images, targets)


def _feature_specs(problem: str) -> dict[str, tf.io.FixedLenFeature]:
    text = tf.io.FixedLenFeature([], tf.string)
    specs = dict.fromkeys((features.IMAGE, features.KEY, features.FILENAME), text)
    if problem == "segmentation":
        return specs | {features.MASK: text}
    return specs | {features.LABEL: tf.io.FixedLenFeature([], tf.int64)}


def _describe(records: Any, problem: str) -> dict[str, Any]:
    parsed = tf.io.parse_example(records, _feature_specs(problem))
    content = [parsed[features.IMAGE]]
    label = tf.zeros_like(parsed[features.KEY], dtype=tf.int64)
    if problem == "segmentation":
        content.append(parsed[features.MASK])
    else:
        label = parsed[features.LABEL]
    prints = [tf.raw_ops.Fingerprint(data=part, method="farmhash64") for part in content]
    return {
        "key": parsed[features.KEY],
        "name": parsed[features.FILENAME],
        "label": label,
        "content": tf.concat(prints, axis=1),
    }


def _decode(record: Any, problem: str, image_size: int) -> tuple[Any, Any]:
    parsed = tf.io.parse_single_example(record, _feature_specs(problem))
    image = preprocessing.decode_image(parsed[features.IMAGE], image_size)
    image = tf.cast(tf.round(image), tf.uint8)
    if problem == "segmentation":
        return image, preprocessing.decode_mask(parsed[features.MASK], image_size)
    return image, tf.cast(parsed[features.LABEL], tf.float32)[tf.newaxis]


def _allocate(shape: tuple[int, ...], dtype: Any, in_file: bool) -> np.ndarray:
    if not in_file:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="pawlens-pictures-") as file:
        return np.memmap(file, dtype, mode="w+", shape=shape)  # type: ignore[call-overload]


def _check_labels(split: str, labels: set[int]) -> None:
    names = features.CLASS_NAMES
    unknown = labels - set(range(len(names)))
    if unknown:
        raise InputError(
            f"{features.LABEL} in the {split} split",
            expected=f"0 to {len(names) - 1}",
            found=str(min(unknown)),
        )
    if split == features.SPLITS[0] and len(labels) < len(names):
        raise InputError(
            f"the {split} split",
            expected=f"pictures of {' and '.join(names)}",
            found=f"only {names[labels.pop()]}",
            todo="add pictures of the other class or change example_gen's split",
        )
