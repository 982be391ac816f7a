"""What a training step costs on this machine beyond the convolutions.

Three ratios of times that were taken in turn in one process, smaller is better:

- `fused_norm`: a training step with the trainer's fused batch norm over the same with Keras's own.
- `fused_norm_validation`: the same of a validation step.
- `random_geometry`: all moves of augmentation at once, by one interpolation, over Keras's own four
  layers one after another, which is how Keras would do it.

Weights are untrained and images are noise: they change the numbers, not the work.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.input import trainee
from benchmarks.tools import Result, Times, benchmark, in_turn, medians, ratio, timed

BATCH = 16
STEPS = 8  # of a block
MODELS = (("mini_xception", 128), ("xception_unet", 128))
MOVES: dict[str, Any] = {"flip": True, "rotation": 0.1, "zoom": 0.2, "translation": 0.1}


def measure(_: Path, blocks: int, precision: str) -> Iterator[Result]:
    for model, side in MODELS:
        yield from measure_norms(model, side, precision, blocks)
    yield measure_moves(128, blocks)


def measure_norms(name: str, side: int, precision: str, blocks: int) -> Iterator[Result]:
    """Times of a training and of a validation step by whose batch norm it uses."""
    kinds = {"fused": True, "keras": False}
    steps = {kind: steps_of(name, side, precision, fused=fused) for kind, fused in kinds.items()}
    for number, told in enumerate(("fused_norm", "fused_norm_validation")):
        actions = {kind: partial(block, taken[number]) for kind, taken in steps.items()}
        times = in_turn(actions, blocks)
        yield {
            "benchmark": told,
            "model": name,
            "image_size": side,
            "precision": precision,
            "milliseconds_an_image": milliseconds_an_image(times),
            "ratio": ratio(times, "fused", "keras"),
        }


def steps_of(
    name: str, side: int, precision: str, *, fused: bool
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A training step and a validation step of a fresh model on one batch held in memory."""
    import tensorflow as tf

    from components.trainer.fit.building import dtype_policy

    with dtype_policy(precision):
        model, part = trainee(name, side, BATCH, fused=fused, jit_compile=False)
    images = np.random.default_rng(0).uniform(0, 255, (BATCH, side, side, 3)).astype(np.float32)
    target = model.output_shape[1:-1] if part.moves else model.output_shape[1:]
    targets = np.zeros((BATCH, *target), np.float32)
    held = tf.data.Dataset.from_tensor_slices((images, targets)).batch(BATCH).cache().repeat()
    model.make_test_function()
    train, validate = model.train_function, model.test_function
    return partial(train, iter(held)), partial(validate, iter(held))


def measure_moves(side: int, blocks: int) -> Result:
    """Times of moving a batch at random, by how often it is interpolated."""
    import keras
    import tensorflow as tf

    from components.trainer.input.augmentation import make_augment
    from components.trainer.sections import AugmentationConfig

    images = np.random.default_rng(0).uniform(0, 255, (BATCH, side, side, 3)).astype(np.float32)
    targets = np.zeros((BATCH, 1), np.float32)
    augment = make_augment(AugmentationConfig(**MOVES), masks=False, seed=1)
    assert augment is not None
    layers = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(MOVES["rotation"]),
            keras.layers.RandomZoom(MOVES["zoom"]),
            keras.layers.RandomTranslation(MOVES["translation"], MOVES["translation"]),
        ]
    )
    feeds = {
        "pawlens": lambda step: augment(images, targets, step)[0],
        "keras": lambda step: layers(images, training=True),
    }
    iterators = {kind: iter(tf.data.Dataset.range(2**62).map(feed)) for kind, feed in feeds.items()}
    actions = {
        kind: partial(block, partial(next, iterator)) for kind, iterator in iterators.items()
    }
    times = in_turn(actions, blocks)
    return {
        "benchmark": "random_geometry",
        "image_size": side,
        "milliseconds_an_image": milliseconds_an_image(times),
        "ratio": ratio(times, "pawlens", "keras"),
    }


def milliseconds_an_image(times: Times) -> dict[str, float]:
    """Medians, of blocks of STEPS batches."""
    return {kind: round(x / STEPS / BATCH * 1000, 2) for kind, x in medians(times, 6).items()}


def block(step: Callable[[], Any]) -> float:
    """Seconds of some steps one after another."""
    return timed(lambda: [step() for _ in range(STEPS)])


if __name__ == "__main__":
    benchmark(measure, blocks=10, precision="float32")
