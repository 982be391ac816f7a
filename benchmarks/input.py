"""The model never waits for data, and a picture is decoded once.

Two claims, each a ratio of times that were taken in turn in one process:

- `input_step`: a training step of `mini_xception` with real input takes at most 1.05 of one with
  a single batch held in memory. Without augmentation, which is work of its own on the same cores;
  with the book's (flip, rotation, zoom) it is told beside.
- `input_epoch`: going through the data once, from the second epoch on, takes at most 0.6 of what
  `keras.utils.image_dataset_from_directory` without a cache takes for the same files. That is the
  input alone, as it is where a GPU does the training. With a small model trained along on the
  same cores it is told beside: there its work, the same for both, counts too.

Draws its own pictures; `--data DIR` takes those of a folder of Cat/*.jpg and Dog/*.jpg.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

BATCH = 16
FETCHED_AHEAD = 4  # steps of a block that feed on what was fetched while the others had their turn
STEPS = 6  # of a block that count, after those
BLOCKS = 12  # of each kind of input
EPOCHS = 5  # that count, after a first one
SEED = 1
MODEL = "mini_xception"
SMALL_MODEL = "convnet_baseline"
BOOK: dict[str, Any] = {"flip": True, "rotation": 0.1, "zoom": 0.2}
_ENDLESS = 1_000_000  # epochs

Times = dict[str, list[float]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.input")
    parser.add_argument("--data", type=Path, help="folder of Cat/*.jpg and Dog/*.jpg")
    parser.add_argument("--pictures", type=int, default=320, help="how many to take or to draw")
    parser.add_argument("--image-size", type=int, default=112)
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        folder, pictures, decoding = prepare(Path(scratch), args)
        about = {
            "pictures": len(pictures),
            "image_size": args.image_size,
            "batch_size": BATCH,
            "data": str(args.data or "drawn"),
        }
        print(json.dumps(measure_steps(pictures) | about), flush=True)
        epochs = measure_epochs(folder, pictures) | {"decoding_once_seconds": decoding}
        print(json.dumps(epochs | about), flush=True)


def prepare(scratch: Path, args: argparse.Namespace) -> tuple[Path, Any, float]:
    """A folder of whole batches of pictures, the same ones decoded, and the seconds that took."""
    from benchmarks.examples import write_examples
    from components.datasets.layouts import auto
    from components.datasets.settings import DataConfig
    from components.datasets.settling import settle_labels
    from components.datasets.synth import synthesize
    from components.tasks import get_task
    from components.trainer.input.split import index_split, load_split

    root = args.data
    if root is None:
        root = scratch / "drawn"
        synthesize(root, "class_folders", args.pictures, size=(500, 375))
    found = settle_labels(auto.read(root, DataConfig()), DataConfig())
    classes = [[r for r in found.records if r.label == name] for name in found.classes.names]
    chosen = [record for each in zip(*classes, strict=False) for record in each]
    kept = write_examples(root, chosen[: args.pictures], found.classes, scratch / "all")
    kept = kept[: len(kept) // BATCH * BATCH]
    write_examples(root, kept, found.classes, scratch / "examples")
    folder = scratch / "same_files"
    for record in kept:
        link = folder / record.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((root / record.path).resolve())
    start = time.perf_counter()
    task = get_task("image_classification")
    part = task.training(found.classes)
    patterns = [str(scratch / "examples" / "Split-train" / "*")]
    pictures = load_split(index_split(patterns, "train", task, part), part, args.image_size)
    return folder, pictures, round(time.perf_counter() - start, 2)


def measure_steps(pictures: Any) -> dict[str, Any]:
    """Times of a training step by where its batch comes from."""
    import tensorflow as tf

    from components.trainer.input.augmentation import make_augment
    from components.trainer.input.batches import training_batches
    from components.trainer.sections import AugmentationConfig

    held = pictures.inputs[:BATCH].astype("float32"), pictures.targets[:BATCH]
    augment = make_augment(AugmentationConfig(**BOOK), masks=False, seed=SEED)
    feeds = {
        # `batch` leaves the size open, as that of real batches is; the cache holds the one tensor.
        "memory": tf.data.Dataset.from_tensor_slices(held).batch(BATCH).cache().repeat(),
        "input": training_batches(pictures, BATCH, SEED, 0, _ENDLESS),
        "augmented": training_batches(pictures, BATCH, SEED, 0, _ENDLESS, augment=augment),
    }
    step = training_step(MODEL, pictures.inputs.shape[1])
    iterators = {name: iter(feed) for name, feed in feeds.items()}

    def block(name: str) -> float:
        taken = [timed(lambda: step(iterators[name])) for _ in range(FETCHED_AHEAD + STEPS)]
        return statistics.median(taken[FETCHED_AHEAD:])

    times = in_turn({name: partial(block, name) for name in feeds}, BLOCKS)
    return {
        "benchmark": "input_step",
        "model": MODEL,
        "milliseconds": {
            name: round(statistics.median(taken) * 1000, 1) for name, taken in times.items()
        },
        "ratio": ratio(times, "input", "memory"),
        "limit": 1.05,
        "ratio_augmented": ratio(times, "augmented", "memory"),
    }


def measure_epochs(folder: Path, pictures: Any) -> dict[str, Any]:
    """Times of an epoch, from the second one on, by who feeds it."""
    import keras

    from components.trainer.input.batches import training_batches

    size = pictures.inputs.shape[1]
    steps = len(pictures) // BATCH
    ours = iter(training_batches(pictures, BATCH, SEED, 0, _ENDLESS))
    theirs = keras.utils.image_dataset_from_directory(
        folder,
        label_mode="binary",
        image_size=(size, size),
        batch_size=BATCH,
        seed=SEED,
        verbose=False,
    )
    train = training_step(SMALL_MODEL, size)

    def epochs(use: Callable[[Iterator[Any]], Any]) -> dict[str, Callable[[], float]]:
        def run(iterator: Iterator[Any]) -> None:
            for _ in range(steps):
                use(iterator)

        return {
            "pawlens": lambda: timed(lambda: run(ours)),
            "keras": lambda: timed(lambda: run(iter(theirs))),
        }

    alone, trained = in_turn(epochs(next), EPOCHS), in_turn(epochs(train), EPOCHS)
    return {
        "benchmark": "input_epoch",
        "seconds": seconds(alone),
        "ratio": ratio(alone, "pawlens", "keras"),
        "limit": 0.6,
        "training": {
            "model": SMALL_MODEL,
            "seconds": seconds(trained),
            "ratio": ratio(trained, "pawlens", "keras"),
        },
    }


def training_step(name: str, image_size: int) -> Callable[[Iterator[Any]], float]:
    """A function that takes a batch off an iterator, trains on it, and gives the loss."""
    from components import models
    from components.tasks import get_task
    from components.trainer.fit.fused_norm import fuse_batch_norms
    from components.trainer.fit.loop import compile_model
    from components.trainer.settings import TrainerConfig
    from serving.classes import Classes

    config = TrainerConfig(model=name, image_size=image_size, batch_size=BATCH)
    part = get_task("image_classification").training(Classes(("cat", "dog")))
    model = part.trainee(models.build(name, image_size, 2))
    compile_model(model, part, config, steps=1)
    fuse_batch_norms(model)
    model.make_train_function()
    return lambda iterator: float(model.train_function(iterator)["loss"])


def timed(action: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(actions: dict[str, Callable[[], float]], rounds: int) -> Times:
    """What every action measured in every round; a first round does not count."""
    times: Times = {name: [] for name in actions}
    for number in range(rounds + 1):
        # Whoever comes first in one round comes last in the next.
        for name in list(actions)[:: 1 if number % 2 else -1]:
            measured = actions[name]()
            if number:
                times[name].append(measured)
    return times


def ratio(times: Times, one: str, other: str) -> float:
    """Median of the rounds' ratios: what else the machine does hits both alike."""
    pairs = zip(times[one], times[other], strict=True)
    return round(statistics.median(a / b for a, b in pairs), 3)


def seconds(times: Times) -> dict[str, float]:
    """Median seconds of each action."""
    return {name: round(statistics.median(taken), 3) for name, taken in times.items()}


if __name__ == "__main__":
    main()
