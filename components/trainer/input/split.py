"""Examples on disk to arrays: read once, decode once.

Decoded images are kept as uint8, rounded: a quarter of float32's memory, at an error of at most
half a grey level in 255 against what the served model decodes. Arrays lie in memory, or, beyond
`MEMORY_BYTES`, in a nameless temporary file that the system reads back page by page and that is
gone with the process, however it ends.
"""

import functools
import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import features
from components.datasets.examples import read_classes, read_dataset, record_files
from components.tasks import Task
from components.tasks.parts import Training
from components.trainer.devices.distribution import prepare_devices
from serving.classes import Classes
from serving.errors import InputError

MEMORY_BYTES = 2 * 1024**3  # decoded inputs and targets of one split that may lie in memory

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
        digest: hex digest of all Examples; not of the order or number of the files.
    """

    split: str
    files: list[str]
    keys: list[str]
    positions: np.ndarray
    digest: str

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Split:
    """A decoded split; shapes and dtypes are those of the task's `Training.decode`.

    Attributes:
        inputs: [n, ...], of images uint8 [n, side, side, 3], RGB.
        targets: [n, ...].
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, eq=False)
class Splits:
    """What trainings learn from, and what tells their best epochs."""

    task: Task
    part: Training
    train_index: Index
    eval_index: Index

    def load(self, side: int | None) -> tuple[Split, Split]:
        """Decodes both at a side of their images in pixels."""
        train = load_split(self.train_index, self.part, side)
        return train, load_split(self.eval_index, self.part, side)

    @functools.cached_property
    def load_once(self) -> Callable[[int | None], tuple[Split, Split]]:
        """The same, but each size only once."""
        return functools.cache(self.load)


def classes_beside(patterns: list[str]) -> Classes:
    """The classes beside the splits, one of which is given as patterns: `EXAMPLES/Split-train/*`.

    Raises:
        InputError: there are none.
    """
    return read_classes(patterns[0].rsplit("/", 2)[0])


def index_splits(
    train_files: list[str], eval_files: list[str], task: Task, classes: Classes
) -> Splits:
    """Looks at Examples, given by file patterns, without decoding them; see `index_split`."""
    prepare_devices()  # reading is the first thing that a trial computes
    part = task.training(classes)
    train, evaluation = (
        index_split(files, split, task)
        for files, split in zip((train_files, eval_files), features.SPLITS, strict=False)
    )
    return Splits(task, part, train, evaluation)


def index_split(patterns: list[str], split: str, task: Task) -> Index:
    """Reads a split once, without decoding, and puts its Examples into an order of their own.

    Beam writes Examples in any order, so they are sorted by key and origin: training depends on the
    data alone.

    Raises:
        InputError: the split is empty.
    """
    files = record_files(patterns)
    rows: list[tuple[bytes, bytes, int]] = []
    described = read_dataset(files).batch(_SCAN_BATCH).map(lambda some: _describe(some, task))
    for batch in described.as_numpy_iterator():
        rows += zip(*(column.tolist() for column in batch), strict=True)
    if not rows:
        raise InputError(
            f"the {split} split",
            expected=f"{task.unit} to work on",
            found="none",
            todo=f"add {task.unit} or change example_gen.split",
        )
    order = sorted(range(len(rows)), key=rows.__getitem__)
    positions = np.empty(len(rows), np.int64)
    positions[order] = np.arange(len(rows))
    digest = hashlib.sha256(repr([rows[i] for i in order]).encode()).hexdigest()
    return Index(split, files, [rows[i][0].decode() for i in order], positions, digest)


def load_split(
    index: Index, part: Training, side: int | None, memory_bytes: int = MEMORY_BYTES
) -> Split:
    """Decodes a split, once, with the same function that the served model uses.

    Beyond so many decoded bytes a temporary file takes the arrays.

    Raises:
        InputError: targets that nothing can be learned from.
    """
    decoded = read_dataset(index.files).map(
        lambda example: part.decode(example, side),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    count, specs = len(index), decoded.element_spec
    size = sum(spec.shape.num_elements() * spec.dtype.size for spec in specs)
    inputs, targets = (
        _allocate((count, *spec.shape), spec.dtype.as_numpy_dtype, count * size > memory_bytes)
        for spec in specs
    )
    start = 0
    for input_batch, target_batch in decoded.batch(_DECODE_BATCH).prefetch(1).as_numpy_iterator():
        places = index.positions[start : start + len(input_batch)]
        inputs[places] = input_batch
        targets[places] = target_batch
        start += len(input_batch)
    part.check_targets(index.split, targets)
    return Split(inputs, targets)


def _describe(records: Any, task: Task) -> tuple[Any, Any, Any]:
    """Keys, origins and fingerprints (int64) of serialized Examples [batch]."""
    text = tf.io.FixedLenFeature([], tf.string)
    parsed = tf.io.parse_example(records, {task.key: text, task.origin: text})
    prints = tf.raw_ops.Fingerprint(data=records, method="farmhash64")
    return parsed[task.key], parsed[task.origin], tf.bitcast(prints, tf.int64)


def _allocate(shape: tuple[int, ...], dtype: Any, in_file: bool) -> np.ndarray:
    if not in_file:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="pawlens-split-") as file:
        return np.memmap(file, dtype, mode="w+", shape=shape)  # type: ignore[call-overload]
