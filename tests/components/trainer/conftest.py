import contextlib
import functools
import io
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from components import artifacts, features
from components.datasets.examples import write_classes
from components.tasks import get_task
from components.trainer import run
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, stages
from components.trainer.input.split import Splits, index_split, load_split
from components.trainer.settings import TrainerConfig
from serving.classes import Classes

SIDE = 64
CLASSES = {
    "image_classification": Classes(("cat", "dog")),
    "image_segmentation": Classes(
        ("foreground", "background", "contour"), ((230, 159, 0), (30, 64, 110), (245, 245, 240))
    ),
}


@dataclass
class FnArgs:
    """The part of TFX's FnArgs that a run_fn of ours reads."""

    train_files: list[str]
    eval_files: list[str]
    serving_model_dir: str
    model_run_dir: str
    custom_config: dict[str, Any] = field(default_factory=dict)
    hyperparameters: dict[str, Any] | None = None

    def history(self) -> dict[str, Any]:
        return json.loads(Path(self.model_run_dir, artifacts.HISTORY).read_text())

    def best_model(self) -> Any:
        return keras.models.load_model(Path(self.model_run_dir, artifacts.BEST_CHECKPOINT))


def draw(number: int) -> tuple[np.ndarray, np.ndarray, int]:
    """A blue (class 0) or red (class 1) square on noise: picture, mask of class ids, label."""
    rng = np.random.default_rng(number)
    label = number % 2
    picture = rng.integers(0, 90, (SIDE, SIDE, 3)).astype(np.uint8)
    mask = np.ones((SIDE, SIDE), np.uint8)
    top, left = rng.integers(4, 20, 2)
    mask[top : top + 36, left : left + 36] = 2
    mask[top + 3 : top + 33, left + 3 : left + 33] = 0
    picture[mask != 1] = (220, 40, 40) if label else (40, 40, 220)
    return picture, mask, label


def example(number: int) -> dict[str, Any]:
    picture, mask, label = draw(number)
    return {
        features.IMAGE: picture,
        features.MASK: mask,
        # Keys do not rise with the numbers, as real ones do not.
        features.KEY: f"{number * 7919 % 65536:016x}",
        features.FILENAME: f"{number}.png",
        features.LABEL: label,
    }


@pytest.fixture(scope="session")
def part() -> Callable[[str], Any]:
    """part(task) is its training part, of `CLASSES`."""
    return lambda task: get_task(task).training(CLASSES[task])


@pytest.fixture(scope="session")
def index() -> Callable[..., Any]:
    """index(patterns, split, task) looks at a split."""

    def look(patterns: list[str], split: str = "train", task: str = "image_classification"):
        return index_split(patterns, split, get_task(task))

    return look


@pytest.fixture(scope="session")
def load(index, part) -> Callable[..., Any]:
    """load(patterns, split, task, side) decodes a split."""

    def decode(patterns, split="train", task="image_classification", side=32, **more):
        return load_split(index(patterns, split, task), part(task), side, **more)

    return decode


@pytest.fixture(scope="session")
def stopped_at() -> Callable[[str], Any]:
    """with stopped_at(text): what runs is interrupted where it prints the text."""

    class Stream(io.StringIO):
        def __init__(self, text: str):
            super().__init__()
            self.text = text

        def write(self, written: str) -> int:
            if self.text in written:
                raise KeyboardInterrupt
            return super().write(written)

    @contextlib.contextmanager
    def stopped(text: str) -> Iterator[None]:
        with pytest.raises(KeyboardInterrupt), contextlib.redirect_stdout(Stream(text)):
            yield

    return stopped


@pytest.fixture
def prepared(monkeypatch) -> Callable[[Any], dict[str, Any]]:
    """prepared(fn_args): what the trainer's function would train with, by name."""

    def stop(*_: Any, **given: Any):
        raise KeyboardInterrupt(given)

    def prepare(fn_args: Any) -> dict[str, Any]:
        with pytest.raises(KeyboardInterrupt) as stopped:
            run.run_fn(fn_args)
        return stopped.value.args[0]

    monkeypatch.setattr(run.stages, "train", stop)
    return prepare


@pytest.fixture
def train(splits, index, load, part, tmp_path) -> Callable[..., Any]:
    """train(folder="state", load=None, **trainer) trains a small model; its stages, no export."""
    task = get_task("image_classification")
    looked_at = Splits(task, part(task.name), *map(index, splits))
    base = {"model": "convnet_small_150", "image_size": 46, "batch_size": 8, "epochs": 3, "seed": 5}

    def load_at(side: int) -> tuple[Any, ...]:
        both = zip(splits, ("train", "eval"), strict=True)
        return tuple(load(files, split, side=side) for files, split in both)

    def go(folder: str = "state", load: Callable[..., Any] | None = None, **changes: Any):
        config = TrainerConfig.model_validate(base | {"sample_epochs": 0} | changes)
        devices = Distribution()
        with building.dtype_policy(config.precision):
            return stages.train(
                stages.first_model(config, looked_at, devices),
                functools.partial(load, load_at) if load else load_at,
                part=looked_at.part,
                config=config,
                folders=[tmp_path / folder / str(n) for n in range(len(config.trainings))],
                distribution=devices,
            )

    return go


@pytest.fixture(scope="session")
def values() -> Callable[[list[dict]], list[list[float]]]:
    """What was measured in epochs, without how long they took."""
    return lambda epochs: [[v for k, v in sorted(e.items()) if k != "seconds"] for e in epochs]


@pytest.fixture(scope="session")
def write_split(write_examples: Callable[..., Any]) -> Callable[..., list[str]]:
    """write_split(folder, numbers, shards=2) writes gzipped shards and gives their pattern."""

    def write(folder: Path, numbers: list[int], shards: int = 2) -> list[str]:
        write_examples(folder, {"any": [*map(example, numbers)]}, shards=shards)
        return [f"{folder}/Split-any/*"]

    return write


@pytest.fixture(scope="session")
def drawn() -> Callable[[int], tuple[np.ndarray, np.ndarray, int]]:
    return draw


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory, write_split) -> tuple[list[str], list[str]]:
    """Patterns of 24 training and 8 evaluation pictures."""
    folder = tmp_path_factory.mktemp("examples")
    train = write_split(folder / "Split-train", list(range(24)))
    return train, write_split(folder / "Split-eval", list(range(100, 108)))


@pytest.fixture(scope="session")
def fn_args_in(splits) -> Callable[..., FnArgs]:
    """fn_args_in(folder, task, execution=1, **trainer) with folders of that execution's own."""

    def make(folder, task, execution=1, state_dir="", **trainer):
        classifies = task == "image_classification"
        base = {
            "model": "mini_xception" if classifies else "segmentation_convnet",
            "model_args": {"batch_norm_momentum": 0.5} if classifies else {},
            "image_size": 32,
            "batch_size": 8,
            "epochs": 2,
            "seed": 5,
        }
        custom: dict[str, Any] = {"task": task, "trainer": base | trainer}
        if state_dir:
            custom["state_dir"] = state_dir
        # The same pictures, with the task's classes beside them.
        examples = folder / f"examples-{task}"
        if not examples.exists():
            write_classes(str(examples), CLASSES[task])
            (examples / "Split-train").symlink_to(Path(splits[0][0]).parent)
        return FnArgs(
            [f"{examples}/Split-train/*"],
            splits[1],
            serving_model_dir=str(folder / f"model-{execution}" / "Format-Serving"),
            model_run_dir=str(folder / f"run-{execution}"),
            custom_config=custom,
        )

    return make


@pytest.fixture
def make_fn_args(fn_args_in, tmp_path) -> Callable[..., FnArgs]:
    """`fn_args_in` the test's own folder."""
    return functools.partial(fn_args_in, tmp_path)


@pytest.fixture(scope="session")
def tf_configs() -> Callable[[], list[str]]:
    """tf_configs() gives TF_CONFIG of two nodes on free ports."""

    def make() -> list[str]:
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.bind(("127.0.0.1", 0))
            nodes = [f"127.0.0.1:{each.getsockname()[1]}" for each in (one, other)]
        tasks = ({"type": "worker", "index": index} for index in range(2))
        return [json.dumps({"cluster": {"worker": nodes}, "task": task}) for task in tasks]

    return make
