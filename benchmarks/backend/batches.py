"""Arrays to batches under any backend: shuffled afresh every epoch, augmented, weighed."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.backend.files import Arrays
from components.trainer import losses
from components.trainer.augmentation import make_augment
from components.trainer.settings import TrainerConfig

Finish = Callable[..., tuple[Any, ...]]


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled batches of several epochs, one after another.

    A batch depends on the seed and the number of its step alone, so a resumed training sees what
    an uninterrupted one would have seen. The rule is that of `components.trainer.input`; the
    orders themselves are NumPy's, where TensorFlow has a shuffle of its own.

    Args:
        split: what is trained on.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        first_epoch, epochs: which epochs, counted from 0, the end excluded.
    """

    def __init__(
        self, split: Arrays, problem: str, config: TrainerConfig, first_epoch: int, epochs: int
    ):
        super().__init__()
        self._split = split
        self._config = config
        self._steps = batches_of(split, config.batch_size)
        self._first = first_epoch * self._steps
        self._count = (epochs - first_epoch) * self._steps
        self._finish = compiled(_finish(split, problem, config))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        step = self._first + index
        epoch, batch = divmod(step, self._steps)
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._split))
        size = self._config.batch_size
        rows = order[batch * size : (batch + 1) * size]
        return self._finish(self._split.images[rows], self._split.targets[rows], np.int32(step))


class EvaluationBatches(keras.utils.PyDataset):
    """All pictures once, in order.

    Args:
        split: what is measured on.
        batch_size: pictures of a batch; the last may be smaller.
    """

    def __init__(self, split: Arrays, batch_size: int):
        super().__init__()
        self._split = split
        self._size = batch_size
        self._count = batches_of(split, batch_size)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * self._size, (index + 1) * self._size)
        return self._split.images[rows].astype(np.float32), self._split.targets[rows]


def batches_of(split: Arrays, batch_size: int) -> int:
    """How many batches hold every picture once; the last may be smaller."""
    return -(-len(split) // batch_size)


def compiled(function: Finish) -> Finish:
    """The function as the backend runs it fastest."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, reduce_retracing=True)
    return function  # torch compiles far longer than it then saves


def _finish(split: Arrays, problem: str, config: TrainerConfig) -> Finish:
    """(uint8 pictures, targets, step) -> float32 pictures, targets, and weights if there are."""
    augment = make_augment(config.augmentation, problem, config.seed)
    weights = losses.resolve_class_weights(config.loss, split.targets, problem)

    def finish(images: Any, targets: Any, step: Any) -> tuple[Any, ...]:
        images = keras.ops.cast(images, "float32")
        targets = keras.ops.convert_to_tensor(targets)
        if augment is not None:
            images, targets = augment(images, targets, step)
        if not weights:
            return images, targets
        return images, targets, losses.sample_weights(weights, targets, problem)

    return finish
