"""What a training step costs on this machine beyond the convolutions.

Ratios of times that were taken in turn in one process, smaller is better:

- `fused_norm`: a training step with the trainer's fused batch norm over the same with Keras's own.
- `fused_norm_validation`: the same of a validation step.
- `random_geometry`: all moves of augmentation at once, by one interpolation, over Keras's own four
  layers one after another, which is how Keras would do it.

Weights are untrained, images noise: they change the numbers, not the work.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import MODEL, build, classes_of
from benchmarks.tools import Result, benchmark, in_turn, timed, told

BATCH = 16
STEPS = 8  # of a block
MOVES: dict[str, Any] = {"flip": True, "rotation": 0.1, "zoom": 0.2}  # the book's


def measure(folder: Path, blocks: int = 10, precision: str = "float32") -> Iterator[Result]:
    for model in (MODEL, "xception_unet"):
        yield from measure_norms(model, 128, precision, blocks)
    yield measure_moves(128, blocks)


def measure_norms(name: str, side: int, precision: str, blocks: int) -> Iterator[Result]:
    """Times of a training and of a validation step by whose batch norm it uses."""
    kinds = {"fused": True, "keras": False}
    steps = {kind: steps_of(name, side, precision, fused=fused) for kind, fused in kinds.items()}
    for number, claim in enumerate(("fused_norm", "fused_norm_validation")):
        about = {"model": name, "image_size": side, "precision": precision}
        actions = {kind: taken[number] for kind, taken in steps.items()}
        yield {"benchmark": claim, **about, **an_image(actions, blocks)}


def steps_of(
    name: str, side: int, precision: str, *, fused: bool
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A training step and a validation step of a fresh model on one batch held in memory."""
    import tensorflow as tf

    from components import models
    from components.tasks import get_task
    from components.trainer.fit.building import dtype_policy
    from components.trainer.fit.fused_norm import fuse_batch_norms
    from components.trainer.fit.loop import compile_model
    from components.trainer.settings import TrainerConfig

    task = get_task(models.spec(name).task)
    part = task.training(classes_of(task))
    config = TrainerConfig(model=name, image_size=side, batch_size=BATCH)
    with dtype_policy(precision):
        model = part.trainee(build(name, side))
        compile_model(model, part, config, steps=1, jit_compile=False)
    if fused:
        fuse_batch_norms(model)
    model.make_train_function()
    model.make_test_function()
    target = model.output_shape[1:-1] if part.moves else model.output_shape[1:]
    batch = (noise(side), np.zeros((BATCH, *target), np.float32))
    # Its size is left open, as that of real batches is.
    batches = tf.data.Dataset.from_tensor_slices(batch).batch(BATCH).cache().repeat()
    train, validate = model.train_function, model.test_function
    return partial(train, iter(batches)), partial(validate, iter(batches))


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (BATCH, side, side, 3)).astype(np.float32)


def measure_moves(side: int, blocks: int) -> Result:
    """Times of moving a batch at random, by how often it is interpolated."""
    import keras
    import tensorflow as tf

    from components.trainer.input.augmentation import make_augment
    from components.trainer.sections import AugmentationConfig

    images, targets, shift = noise(side), np.zeros((BATCH, 1), np.float32), 0.1
    config = AugmentationConfig(**MOVES, translation=shift)
    augment: Any = make_augment(config, masks=False, seed=1)
    layers = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(MOVES["rotation"]),
            keras.layers.RandomZoom(MOVES["zoom"]),
            keras.layers.RandomTranslation(shift, shift),
        ]
    )
    feeds = {
        "pawlens": lambda step: augment(images, targets, step)[0],
        "keras": lambda step: layers(images, training=True),
    }
    steps = tf.data.Dataset.range(2**62)
    actions = {kind: partial(next, iter(steps.map(feed))) for kind, feed in feeds.items()}
    return {"benchmark": "random_geometry", "image_size": side, **an_image(actions, blocks)}


def an_image(actions: dict[str, Callable[[], Any]], blocks: int) -> Result:
    """Times of steps, in blocks, for each image of a batch."""
    times = in_turn(actions, blocks, partial(timed, count=STEPS))
    return told(times, "keras", 1000 / BATCH, "milliseconds_an_image")


if __name__ == "__main__":
    benchmark(measure)
