"""What a training step costs on this machine beyond the convolutions, and that it never waits.

Ratios of times that were taken in turn in one process, smaller is better:

- `fused_norm`: a training step with the trainer's fused batch norm over the same with Keras's own.
- `fused_norm_validation`: the same of a validation step.
- `random_geometry`: all moves of augmentation at once, by one interpolation, over Keras's own four
  layers one after another, which is how Keras would do it.
- `input_step`: a training step of `mini_xception` with real input takes at most 1.05 of one with
  a single batch held in memory. Without augmentation, which is work of its own on the same cores;
  with the book's (flip, rotation, zoom) it is told beside.
- `input_epoch`: going through the data once, from the second epoch on, takes at most 0.6 of what
  `keras.utils.image_dataset_from_directory` without a cache takes for the same files. That is the
  input alone, as it is where a GPU does the training.

Weights are untrained, images noise or drawn: they change the numbers, not the work.
"""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import MODEL, build, classes_of
from benchmarks.tools import Result, benchmark, in_turn, timed, told

BATCH = 16
STEPS = 8  # of a block
FETCHED_AHEAD = 4  # steps more that feed on what was fetched while the others had their turn
EPOCHS = 5  # that count, after a first one
SEED = 1
MOVES: dict[str, Any] = {"flip": True, "rotation": 0.1, "zoom": 0.2}  # the book's
_ENDLESS = 1_000_000  # epochs


def measure(
    folder: Path,
    blocks: int = 10,
    precision: str = "float32",
    images: int = 320,
    image_size: int = 112,
) -> Iterator[Result]:
    for model in (MODEL, "xception_unet"):
        yield from measure_norms(model, 128, precision, blocks)
    yield measure_moves(128, blocks)
    split = drawn(folder / "drawn", images, image_size)
    about = {"images": len(split), "image_size": image_size, "batch_size": BATCH}
    yield measure_steps(split, blocks) | about
    yield measure_epochs(folder / "drawn", split) | about


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
    from components.trainer.fit.building import dtype_policy

    with dtype_policy(precision):
        model, part = trainee(name, side, fused=fused, jit_compile=False)
    target = model.output_shape[1:-1] if part.moves else model.output_shape[1:]
    batches = held(noise(side), np.zeros((BATCH, *target), np.float32))
    model.make_test_function()
    train, validate = model.train_function, model.test_function
    return partial(train, iter(batches)), partial(validate, iter(batches))


def trainee(name: str, side: int, *, fused: bool = True, **how: Any) -> tuple[Any, Any]:
    """A fresh model ready for training steps on the classes of the book, and its training part."""
    from components import models
    from components.tasks import get_task
    from components.trainer.fit.fused_norm import fuse_batch_norms
    from components.trainer.fit.loop import compile_model
    from components.trainer.settings import TrainerConfig

    task = get_task(models.spec(name).task)
    part = task.training(classes_of(task))
    model = part.trainee(build(name, side))
    config = TrainerConfig(model=name, image_size=side, batch_size=BATCH)
    compile_model(model, part, config, steps=1, **how)
    if fused:
        fuse_batch_norms(model)
    model.make_train_function()
    return model, part


def held(images: np.ndarray, targets: np.ndarray) -> Any:
    """One batch in memory, again and again, its size left open as that of real batches is."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((images, targets)).batch(BATCH).cache().repeat()


def noise(side: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (BATCH, side, side, 3)).astype(np.float32)


def measure_moves(side: int, blocks: int) -> Result:
    """Times of moving a batch at random, by how often it is interpolated."""
    import keras
    import tensorflow as tf

    images, targets, shift = noise(side), np.zeros((BATCH, 1), np.float32), 0.1
    augment = augmentation(translation=shift)
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


def augmentation(**more: float) -> Callable[..., Any]:
    from components.trainer.input.augmentation import make_augment
    from components.trainer.sections import AugmentationConfig

    augment = make_augment(AugmentationConfig(**MOVES, **more), masks=False, seed=SEED)
    assert augment
    return augment


def an_image(actions: dict[str, Callable[[], Any]], blocks: int) -> Result:
    """Times of steps, in blocks, for each image of a batch."""
    times = in_turn(actions, blocks, partial(timed, count=STEPS))
    return told(times, "keras", 1000 / BATCH, "milliseconds_an_image")


def drawn(folder: Path, images: int, side: int) -> Any:
    """Draws whole batches into a folder; the same ones decoded, as a split to train on."""
    from components.datasets.synth import synthesize
    from components.preprocessing import decode_image
    from components.trainer.input.split import Split

    synthesize(folder, "class_folders", images // BATCH * BATCH, size=(500, 375))
    paths = sorted(folder.rglob("*.jpg"))
    pixels = np.rint([decode_image(path.read_bytes(), side) for path in paths])
    dogs = np.array([[path.parent.name == "Dog"] for path in paths], np.float32)
    return Split(pixels.astype(np.uint8), dogs)


def measure_steps(split: Any, blocks: int) -> Result:
    """Times of a training step by where its batch comes from."""
    from components.trainer.input.batches import training_batches

    spread = slice(None, None, len(split) // BATCH)  # both classes, which lie one after the other
    real = partial(training_batches, split, BATCH, SEED, 0, _ENDLESS)
    feeds = {
        "memory": held(split.inputs[spread].astype("float32"), split.targets[spread]),
        "input": real(),
        "augmented": real(augment=augmentation()),
    }
    model, _ = trainee(MODEL, split.inputs.shape[1])

    def block(batches: Iterator[Any]) -> float:
        step = partial(model.train_function, batches)
        taken = [timed(lambda: float(step()["loss"])) for _ in range(FETCHED_AHEAD + STEPS)]
        return statistics.median(taken[FETCHED_AHEAD:])

    times = in_turn({name: iter(feed) for name, feed in feeds.items()}, blocks, block)
    return {"benchmark": "input_step", "model": MODEL, **told(times, "memory"), "limit": 1.05}


def measure_epochs(folder: Path, split: Any) -> Result:
    """Times of an epoch, from the second one on, by who feeds it."""
    import keras

    from components.trainer.input.batches import training_batches

    size, steps = split.inputs.shape[1], len(split) // BATCH
    ours = iter(training_batches(split, BATCH, SEED, 0, _ENDLESS))
    theirs = keras.utils.image_dataset_from_directory(
        folder,
        label_mode="binary",
        image_size=(size, size),
        batch_size=BATCH,
        seed=SEED,
        verbose=False,
    )
    feeds = {"pawlens": lambda: ours, "keras": lambda: iter(theirs)}

    def epoch(feed: Callable[[], Iterator[Any]]) -> float:
        return timed(partial(next, feed()), steps)

    times = in_turn(feeds, EPOCHS, epoch)
    return {"benchmark": "input_epoch", **told(times, "keras", steps, "seconds"), "limit": 0.6}


if __name__ == "__main__":
    benchmark(measure)
