"""What a training step costs on this machine beyond the convolutions.

Three ratios of times that were taken in turn in one process, smaller is better:

- `fused_norm`: a training step with the trainer's fused batch norm over the same with Keras's own.
- `fused_norm_validation`: the same of a validation step.
- `random_geometry`: all moves of augmentation at once, by one interpolation, over Keras's own four
  layers one after another, which is how Keras would do it.

Weights are untrained and pictures are noise: they change the numbers, not the work.
"""

import argparse
import json
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.input import Times, in_turn, ratio, seconds, timed

BATCH = 16
STEPS = 8  # of a block
BLOCKS = 10  # of each kind
MODELS = (("mini_xception", 128), ("xception_unet", 128))
MOVES: dict[str, Any] = {"flip": True, "rotation": 0.1, "zoom": 0.2, "translation": 0.1}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_step")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="of each kind")
    parser.add_argument("--precision", default="float32")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for model, side in MODELS:
        for told in measure_norms(model, side, args.precision, args.blocks):
            print(json.dumps(told), flush=True)
    print(json.dumps(measure_moves(128, args.blocks)), flush=True)


def measure_norms(name: str, side: int, precision: str, blocks: int) -> list[dict[str, Any]]:
    """Times of a training and of a validation step by whose batch norm it uses."""
    kinds = {"fused": True, "keras": False}
    steps = {kind: steps_of(name, side, precision, fused=fused) for kind, fused in kinds.items()}
    told = []
    for number, benchmark in enumerate(("fused_norm", "fused_norm_validation")):
        actions = {kind: partial(block, taken[number]) for kind, taken in steps.items()}
        times = in_turn(actions, blocks)
        told.append(
            {
                "benchmark": benchmark,
                "model": name,
                "image_size": side,
                "precision": precision,
                "milliseconds_a_picture": milliseconds_a_picture(times),
                "ratio": ratio(times, "fused", "keras"),
            }
        )
    return told


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
    from serving.classes import Classes

    task = get_task(models.spec(name).task)
    part = task.training(Classes(("a", "b", "c") if task.has_masks else ("a", "b")))
    config = TrainerConfig(model=name, image_size=side, batch_size=BATCH)
    with dtype_policy(precision):
        model = part.trainee(models.build(name, side, len(part.classes)))
    compile_model(model, part, config, steps=1, jit_compile=False)
    if fused:
        fuse_batch_norms(model)
    images = np.random.default_rng(0).uniform(0, 255, (BATCH, side, side, 3)).astype(np.float32)
    targets = np.zeros((BATCH, *part.shapes(side)[1][0]), np.float32)
    held = tf.data.Dataset.from_tensor_slices((images, targets)).batch(BATCH).cache().repeat()
    model.make_train_function()
    model.make_test_function()
    train, validate = model.train_function, model.test_function
    return partial(train, iter(held)), partial(validate, iter(held))


def measure_moves(side: int, blocks: int) -> dict[str, Any]:
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
        "milliseconds_a_picture": milliseconds_a_picture(times),
        "ratio": ratio(times, "pawlens", "keras"),
    }


def milliseconds_a_picture(times: Times) -> dict[str, float]:
    """Medians, of blocks of STEPS batches."""
    return {kind: round(value / STEPS / BATCH * 1000, 2) for kind, value in seconds(times).items()}


def block(step: Callable[[], Any]) -> float:
    """Seconds of some steps one after another."""
    return timed(lambda: [step() for _ in range(STEPS)])


if __name__ == "__main__":
    main()
