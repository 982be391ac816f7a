import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from components.errors import InputError

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "benchmarks" / "train_backend.py"
TRAINER = """
# The section alone.
model: mini_xception
model_args: {batch_norm_momentum: 0.5}
image_size: 32
batch_size: 8
epochs: 4
learning_rate: 1e-3
augmentation: {flip: true}
optimizer: {name: adamw, weight_decay: 0.01, schedule: cosine, warmup_epochs: 1, ema: 0.5}
loss: {label_smoothing: 0.1, class_weights: [1.0, 2.0]}
monitor: val_accuracy
seed: 3
"""
PREDICT = """
import sys
import numpy as np
from components import models
model = models.build("mini_xception", 32)
model.load_weights(sys.argv[1])
np.save(sys.argv[3], model.predict(np.load(sys.argv[2]), verbose=0))
"""


def squares(count: int, seed: int):
    """Red (class 1) and blue (class 0) squares on noise."""
    from benchmarks.backend.files import Arrays

    rng = np.random.default_rng(seed)
    images = rng.integers(0, 90, (count, 32, 32, 3)).astype(np.uint8)
    labels = (np.arange(count) % 2).astype(np.float32)[:, np.newaxis]
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, 12, 2)
        image[top : top + 20, left : left + 20] = (220, 40, 40) if label else (40, 40, 220)
    return Arrays(images, labels)


def python_of(backend: str) -> str:
    """An interpreter that has a backend: this one, or the one that the environment names."""
    variable = f"PAWLENS_{backend.upper()}_PYTHON"
    if variable in os.environ:
        return os.environ[variable]
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"no {backend} here; {variable} may name a Python that has it")
    return sys.executable


def start(python: str, backend: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [python, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Files of arrays, two pieces, and of the configuration."""
    from benchmarks.backend.files import save

    folder = tmp_path_factory.mktemp("data")
    splits = {"train": squares(28, 1), "eval": squares(12, 2), "test": squares(10, 3)}
    paths = save(splits, folder / "data.npz", 100_000)
    assert len(paths) == 2
    (folder / "trainer.yaml").write_text(TRAINER)
    return [*paths, "--config", folder / "trainer.yaml"]


@pytest.fixture(scope="module")
def run():
    """run(*arguments): the command in this process, under TensorFlow."""
    from benchmarks.train_backend import main

    return lambda *arguments: main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(data, run, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "out"
    assert run("train", *data, "--output", output) == 0
    return output


def without_seconds(epochs: list[dict]) -> list[dict]:
    return [{name: value for name, value in e.items() if name != "seconds"} for e in epochs]


def test_training_leaves_the_best_weights_and_the_history(trained, data, run, capsys):
    import keras

    from components import models
    from components.trainer.weights import load_weights

    assert sorted(path.name for path in trained.iterdir()) == ["best.weights.h5", "history.json"]
    history = json.loads((trained / "history.json").read_text())
    assert [record["epoch"] for record in history["epochs"]] == [1, 2, 3, 4]
    assert history["monitor"] == "val_accuracy"
    assert (history["model"], history["seed"]) == ("mini_xception", 3)
    assert history["made_with"]["keras"] == keras.__version__

    # The weights are those of the epoch that measured best, not of the last one.
    best = history["epochs"][history["best_epoch"] - 1]
    model = models.build("mini_xception", 32)
    load_weights(model, str(trained / "best.weights.h5"), "trainer.weights")
    evaluation = squares(12, 2)
    probability = model.predict(evaluation.images.astype(np.float32), verbose=0)
    right = (probability > 0.5) == (evaluation.targets > 0.5)
    assert right.mean() == pytest.approx(best["val_accuracy"])
    # Binary cross-entropy with smoothed labels, in NumPy.
    smooth = evaluation.targets * 0.9 + 0.05
    loss = -(smooth * np.log(probability) + (1 - smooth) * np.log(1 - probability)).mean()
    assert loss == pytest.approx(best["val_loss"], rel=1e-4)

    capsys.readouterr()
    assert run("evaluate", *data, "--weights", trained / "best.weights.h5") == 0
    told = json.loads(capsys.readouterr().out)
    test = squares(10, 3)
    probability = model.predict(test.images.astype(np.float32), verbose=0)
    right = (probability > 0.5) == (test.targets > 0.5)
    assert told["test"]["accuracy"] == pytest.approx(right.mean())
    assert told["pictures"] == 10


def test_a_finished_training_is_not_overwritten(trained, data, run, capsys):
    before = (trained / "best.weights.h5").read_bytes()
    assert run("train", *data, "--output", trained) == 2
    assert "expected a new one, found a training that has ended" in capsys.readouterr().err
    assert (trained / "best.weights.h5").read_bytes() == before


def test_wrong_input_is_one_line(data, run, tmp_path, capsys):
    wrong = {
        "expected 32, that of the arrays, found 64": ["--set", "trainer.image_size=64"],
        "did you mean 'trainer.epochs'": ["--set", "trainer.epoch=1"],
        "trainer.weights: expected an existing file": ["--set", "trainer.weights=no.weights.h5"],
        "expected a pipeline of pictures": ["--config", "linear_blobs"],
        "trainer.epochs: expected 1 or more with train_backend train": [
            *("--set", "trainer.epochs=0", "--set", "trainer.weights=a.keras")
        ],
    }
    for message, arguments in wrong.items():
        assert run("train", *data, *arguments, "--output", tmp_path / "out") == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert message in lines[0]
    assert not (tmp_path / "out" / "history.json").exists()


def test_a_shipped_name_or_a_section_is_the_configuration(tmp_path):
    from benchmarks.train_backend import read_config

    shipped = read_config("cats_vs_dogs", ["trainer.epochs=3"])
    assert (shipped.problem, shipped.trainer.epochs) == ("classification", 3)
    path = tmp_path / "trainer.yaml"
    path.write_text("model: xception_unet\nimage_size: 64\nlearning_rate: 1e-3\n")
    section = read_config(str(path), ["trainer.batch_size=4"])
    assert section.problem == "segmentation"
    assert section.trainer.learning_rate == 1e-3
    assert (section.trainer.batch_size, section.trainer.epochs) == (4, 10)
    path.write_text("model: linear\n")
    with pytest.raises(InputError):
        read_config(str(path), [])
    with pytest.raises(InputError, match=r"earlier_stages: expected none with arrays.* found 2"):
        read_config("cats_vs_dogs_book", [])


@pytest.mark.parametrize("resumed_at", [0, 2])
def test_batches_follow_from_seed_and_step(resumed_at):
    import keras

    from benchmarks.backend.batches import TrainingBatches
    from components.trainer.augmentation import make_augment
    from components.trainer.settings import TrainerConfig

    config = TrainerConfig(model="mini_xception", image_size=32, batch_size=8, seed=7)
    split = squares(28, 1)
    rows = {image.tobytes(): row for row, image in enumerate(split.images)}
    batches = TrainingBatches(split, "classification", config, resumed_at, 3)
    assert len(batches) == 4 * (3 - resumed_at)
    seen = []
    for batch in batches:
        images, targets = (keras.ops.convert_to_numpy(part) for part in batch)
        assert images.dtype == targets.dtype == np.float32
        seen.append([rows[image.tobytes()] for image in images.astype(np.uint8)])
        np.testing.assert_array_equal(targets, split.targets[seen[-1]])
    epochs = [
        [row for batch in seen[at : at + 4] for row in batch] for at in range(0, len(seen), 4)
    ]
    assert [len(batch) for batch in seen[:4]] == [8, 8, 8, 4]
    for number, epoch in enumerate(epochs, start=resumed_at):
        assert sorted(epoch) == list(range(28))
        assert epoch == np.random.default_rng([7, number]).permutation(28).tolist()

    # Random changes are the trainer's own, of the step counted since training began.
    changing = config.model_copy(
        update={"augmentation": config.augmentation.model_copy(update={"brightness": 0.5})}
    )
    images, _ = TrainingBatches(split, "classification", changing, resumed_at, 3)[1]
    augment = make_augment(changing.augmentation, "classification", 7)
    plain = split.images[seen[1]].astype(np.float32)
    expected, _ = augment(plain, split.targets[seen[1]], resumed_at * 4 + 1)
    assert np.abs(expected - plain).mean() > 1
    np.testing.assert_allclose(images, expected, atol=1e-3)


def test_masks_and_class_weights_come_along():
    import keras

    from benchmarks.backend.batches import TrainingBatches
    from benchmarks.backend.files import Arrays
    from components.trainer.sections import LossConfig
    from components.trainer.settings import TrainerConfig

    masks = np.random.default_rng(0).integers(0, 3, (4, 32, 32)).astype(np.uint8)
    split = Arrays(squares(4, 1).images, masks)
    config = TrainerConfig(
        model="xception_unet",
        image_size=32,
        batch_size=4,
        loss=LossConfig(class_weights=[1.0, 2.0, 5.0]),
    )
    _, targets, weights = TrainingBatches(split, "segmentation", config, 0, 1)[0]
    targets, weights = (keras.ops.convert_to_numpy(part) for part in (targets, weights))
    assert targets.dtype == np.uint8
    np.testing.assert_array_equal(np.sort(targets.ravel()), np.sort(masks.ravel()))
    np.testing.assert_array_equal(weights, np.array([1.0, 2.0, 5.0])[targets])


def check_went_on(output: str, folder: Path, whole: Path) -> None:
    """The output of the second start, and the histories of both ways."""
    assert "training goes on after epoch " in output
    assert "epoch 1/" not in output
    assert "epoch 4/4" in output
    one, other = (
        json.loads((each / "history.json").read_text())["epochs"] for each in (folder, whole)
    )
    for record, expected in zip(without_seconds(one), without_seconds(other), strict=True):
        assert record == pytest.approx(expected, rel=1e-3)


def is_saved(folder: Path) -> bool:
    return any((folder / "state").glob("*/state.json"))


@pytest.mark.slow
def test_a_killed_training_goes_on(zygote, data, trained, tmp_path):
    command = (COMMAND, "train", *data, "--output", tmp_path / "out")
    process = zygote.start(*command)
    process.wait_for(lambda: is_saved(tmp_path / "out") or process.ended(), rest=0.001)
    assert process.kill().status == -signal.SIGKILL
    ended = zygote.call(*command)
    assert ended.status == 0, ended.output
    check_went_on(ended.output, tmp_path / "out", trained)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_killed_training_goes_on_under_another_backend(backend, data, tmp_path):
    python = python_of(backend)
    command = ("-m", "benchmarks.train_backend", "train", *data, "--output", tmp_path / "out")
    process = start(python, backend, *command)
    deadline = time.monotonic() + 400
    while not is_saved(tmp_path / "out"):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    output = finish(start(python, backend, *command))
    finish(start(python, backend, *command[:-1], tmp_path / "whole"))
    check_went_on(output, tmp_path / "out", tmp_path / "whole")


def test_what_trains_elsewhere_needs_no_tensorflow():
    check = """
import sys
import importlib
import pkgutil
import keras
for name in ("tensorflow", "tfx", "apache_beam"):
    sys.modules[name] = None  # from here on, importing it fails
import benchmarks.train_backend
from benchmarks.backend import training
from components import models
for module in pkgutil.iter_modules(models.__path__, "components.models."):
    importlib.import_module(module.name)
benchmarks.train_backend.read_config("cats_vs_dogs", [])
"""
    finish(start(sys.executable, "tensorflow", "-c", check))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_weights_of_another_backend_give_the_same_predictions(backend, data, run, tmp_path, capsys):
    from components import models
    from components.trainer.weights import load_weights

    python = python_of(backend)
    command = ("-m", "benchmarks.train_backend", "train", *data, "--output", tmp_path / "out")
    command += ("--set", "trainer.epochs=2")
    output = finish(start(python, backend, *command))
    assert output.count("epoch ") == 2
    weights = tmp_path / "out" / "best.weights.h5"
    assert backend in json.loads((weights.parent / "history.json").read_text())["made_with"]

    images = squares(10, 3).images.astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    there = tmp_path / "there.npy"
    finish(start(python, backend, "-c", PREDICT, weights, tmp_path / "images.npy", there))
    model = models.build("mini_xception", 32)
    load_weights(model, str(weights), "trainer.weights")
    here = model.predict(images, verbose=0)
    assert here.std() > 1e-3
    np.testing.assert_allclose(here, np.load(there), atol=1e-4)
    assert run("evaluate", *data, "--weights", weights) == 0
