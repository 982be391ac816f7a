"""The model never waits for data, and an image is decoded once.

Two claims, each a ratio of times that were taken in turn in one process:

- `input_step`: a training step of `mini_xception` with real input takes at most 1.05 of one with
  a single batch held in memory. Without augmentation, which is work of its own on the same cores;
  with the book's (flip, rotation, zoom) it is told beside.
- `input_epoch`: going through the data once, from the second epoch on, takes at most 0.6 of what
  `keras.utils.image_dataset_from_directory` without a cache takes for the same files. That is the
  input alone, as it is where a GPU does the training.

Draws its own images.
"""

import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.tools import Result, benchmark, in_turn, medians, ratio, timed

BATCH = 16
FETCHED_AHEAD = 4  # steps of a block that feed on what was fetched while the others had their turn
STEPS = 6  # of a block that count, after those
BLOCKS = 12  # of each kind of input
EPOCHS = 5  # that count, after a first one
SEED = 1
MODEL = "mini_xception"
BOOK: dict[str, Any] = {"flip": True, "rotation": 0.1, "zoom": 0.2}
_ENDLESS = 1_000_000  # epochs


def measure(folder: Path, images: int, image_size: int) -> Iterator[Result]:
    split, decoding = prepare(folder / "drawn", images, image_size)
    about = {"images": len(split), "image_size": image_size, "batch_size": BATCH}
    yield measure_steps(split) | about
    times = measure_epochs(folder / "drawn", split)
    yield times | {"decoding_once_seconds": decoding} | about


def prepare(folder: Path, images: int, image_size: int) -> tuple[Any, float]:
    """Draws whole batches into a folder; the same ones decoded, and the seconds that took."""
    import tensorflow as tf

    from components.datasets.examples import COMPRESSION, write_classes
    from components.datasets.layouts import auto
    from components.datasets.settings import DataConfig
    from components.datasets.settling import settle_labels
    from components.datasets.synth import synthesize
    from components.example_gen.settings import ExampleGenConfig
    from components.tasks import get_task
    from components.trainer.input.split import index_split, load_split

    synthesize(folder, "class_folders", images // BATCH * BATCH, size=(500, 375))
    found = settle_labels(auto.read(folder, DataConfig()), DataConfig())
    task = get_task("image_classification")
    data, part = task.data(found.classes), task.training(found.classes)
    file = folder.with_name("examples") / "Split-train" / "data.gz"
    file.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(file), COMPRESSION) as writer:
        for record in found.records:
            writer.write(data.convert(folder, record, ExampleGenConfig().max_side).example)
    write_classes(str(file.parents[1]), found.classes)
    start = time.perf_counter()
    split = load_split(index_split([str(file)], "train", task), part, image_size)
    return split, round(time.perf_counter() - start, 2)


def measure_steps(split: Any) -> Result:
    """Times of a training step by where its batch comes from."""
    import tensorflow as tf

    from components.trainer.input.augmentation import make_augment
    from components.trainer.input.batches import training_batches
    from components.trainer.sections import AugmentationConfig

    spread = slice(None, None, len(split) // BATCH)  # both classes, which lie one after the other
    held = split.inputs[spread].astype("float32"), split.targets[spread]
    augment = make_augment(AugmentationConfig(**BOOK), masks=False, seed=SEED)
    feeds = {
        # `batch` leaves the size open, as that of real batches is; the cache holds the one tensor.
        "memory": tf.data.Dataset.from_tensor_slices(held).batch(BATCH).cache().repeat(),
        "input": training_batches(split, BATCH, SEED, 0, _ENDLESS),
        "augmented": training_batches(split, BATCH, SEED, 0, _ENDLESS, augment=augment),
    }
    model, _ = trainee(MODEL, split.inputs.shape[1], BATCH)
    iterators = {name: iter(feed) for name, feed in feeds.items()}

    def block(name: str) -> float:
        step = partial(model.train_function, iterators[name])
        taken = [timed(lambda: float(step()["loss"])) for _ in range(FETCHED_AHEAD + STEPS)]
        return statistics.median(taken[FETCHED_AHEAD:])

    times = in_turn({name: partial(block, name) for name in feeds}, BLOCKS)
    return {
        "benchmark": "input_step",
        "model": MODEL,
        "milliseconds": {name: round(x * 1000, 1) for name, x in medians(times, 6).items()},
        "ratio": ratio(times, "input", "memory"),
        "limit": 1.05,
        "ratio_augmented": ratio(times, "augmented", "memory"),
    }


def measure_epochs(folder: Path, split: Any) -> Result:
    """Times of an epoch, from the second one on, by who feeds it."""
    import keras

    from components.trainer.input.batches import training_batches

    size = split.inputs.shape[1]
    steps = len(split) // BATCH
    ours = iter(training_batches(split, BATCH, SEED, 0, _ENDLESS))
    theirs = keras.utils.image_dataset_from_directory(
        folder,
        label_mode="binary",
        image_size=(size, size),
        batch_size=BATCH,
        seed=SEED,
        verbose=False,
    )

    def epoch(batches: Iterator[Any]) -> float:
        return timed(lambda: [next(batches) for _ in range(steps)])

    actions = {"pawlens": lambda: epoch(ours), "keras": lambda: epoch(iter(theirs))}
    times = in_turn(actions, EPOCHS)
    return {
        "benchmark": "input_epoch",
        "seconds": medians(times),
        "ratio": ratio(times, "pawlens", "keras"),
        "limit": 0.6,
    }


def trainee(name: str, side: int, batch: int, *, fused: bool = True, **how: Any) -> tuple[Any, Any]:
    """A fresh model ready for training steps on the classes of the book, and its training part."""
    from benchmarks.serving import classes_of
    from components import models
    from components.tasks import get_task
    from components.trainer.fit.fused_norm import fuse_batch_norms
    from components.trainer.fit.loop import compile_model
    from components.trainer.settings import TrainerConfig

    task = get_task(models.spec(name).task)
    part = task.training(classes_of(task))
    config = TrainerConfig(model=name, image_size=side, batch_size=batch)
    model = part.trainee(models.build(name, side, len(part.classes)))
    compile_model(model, part, config, steps=1, **how)
    if fused:
        fuse_batch_norms(model)
    model.make_train_function()
    return model, part


if __name__ == "__main__":
    benchmark(measure, images=320, image_size=112)
