"""Training on points: both kinds of step against gradient descent written in NumPy."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components import artifacts
from components.datasets.blobs import draw_points
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

STEPS = ("gradient_tape", "fit")


def _config(**changes: Any) -> TrainerConfig:
    base = {"model": "linear", "epochs": 40, "learning_rate": 0.1, "seed": 7}
    return TrainerConfig.model_validate(base | changes)


def _cloud(count: int, seed: int):
    from components.trainer.points import Points

    targets = (np.arange(count) % 2).astype(np.float32)[:, None]
    return Points(draw_points(count, seed).astype(np.float32), targets, [])


def _descend(weights, cloud, steps: int, rate: float):
    """Full-batch gradient descent in float64: weights and loss before each step."""
    w, b = (value.astype(np.float64) for value in weights)
    x, t = cloud.values.astype(np.float64), cloud.targets.astype(np.float64)
    losses, path = [], []
    for _ in range(steps):
        error = x @ w + b - t
        losses.append(np.mean(error**2))
        w = w - rate * 2 * x.T @ error / len(x)
        b = b - rate * 2 * error.mean(axis=0)
        path.append((w, b))
    return losses, path


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_that_of_gradient_descent(step):
    import keras

    from components import models
    from components.trainer import points

    training, evaluation = _cloud(2000, 11), _cloud(300, 12)
    keras.utils.set_random_seed(2)
    model = models.build("linear", None)
    losses, path = _descend(model.get_weights(), training, 40, 0.1)
    epochs = points.fit(model, training, evaluation, _config(training_step=step))

    np.testing.assert_allclose([e["loss"] for e in epochs], losses, atol=1e-5)
    assert [e["epoch"] for e in epochs] == list(range(1, 41))
    for record, (w, b) in zip(epochs, path, strict=True):
        scores = evaluation.values @ w + b
        assert record["val_loss"] == pytest.approx(
            np.mean((scores - evaluation.targets) ** 2), abs=1e-5
        )
        right = np.mean((scores > 0.5) == evaluation.targets)
        assert record["val_accuracy"] == pytest.approx(right, abs=0.004)  # one of 300 on the line
    for found, expected in zip(model.get_weights(), path[-1], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # The book: "After 40 steps, the training loss seems to have stabilized around 0.025."
    assert epochs[-1]["loss"] == pytest.approx(0.025, abs=0.004)
    assert epochs[-1]["accuracy"] > 0.99


@pytest.mark.parametrize("step", STEPS)
def test_the_best_epoch_is_kept(step):
    from components import models
    from components.trainer import points

    # Validation wants the opposite of what training teaches: it soon gets worse.
    training = _cloud(200, 1)
    evaluation = points.Points(training.values, 1 - training.targets, [])
    model = models.build("linear", None)
    _, path = _descend(model.get_weights(), training, 6, 0.1)
    val_losses = [np.mean((training.values @ w + b - evaluation.targets) ** 2) for w, b in path]
    best = int(np.argmin(val_losses))
    assert best < 4
    points.fit(model, training, evaluation, _config(training_step=step, epochs=6))
    for found, expected in zip(model.get_weights(), path[best], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("step", STEPS)
def test_a_loss_that_is_no_number_stops_with_one_line(step, make_run):
    from components.trainer import points
    from components.trainer.fit.callbacks import NonFiniteLossError

    fn_args = make_run(40)
    config = _config(training_step=step, learning_rate=1e20)
    with pytest.raises(NonFiniteLossError, match=r"loss is (nan|inf) at epoch \d+: .*lower") as e:
        points.train(fn_args, config)
    assert "\n" not in str(e.value)
    assert not Path(fn_args.serving_model_dir).exists()
    assert not Path(fn_args.model_run_dir).exists()


@dataclass
class FnArgs:
    train_files: list[str]
    eval_files: list[str]
    serving_model_dir: str
    model_run_dir: str


def _write_split(folder: Path, points) -> list[str]:
    import tensorflow as tf

    from components.example_gen.convert_point import convert_point

    folder.mkdir(parents=True)
    for shard in range(2):
        with tf.io.TFRecordWriter(str(folder / f"data-{shard}.gz"), "GZIP") as writer:
            for point in points[shard::2]:
                writer.write(convert_point(point).example)
    return [f"{folder}/*"]


@pytest.fixture
def make_run(tmp_path):
    """make_run(count, order=1, labels=(0, 1), evaluation=20) gives FnArgs on drawn points."""
    from components.datasets import Point

    def make(count: int, order: int = 1, labels=(0, 1), evaluation: int = 20) -> FnArgs:
        folder = tmp_path / f"{count}{order}{labels}"

        def drawn(number: int, seed: int) -> list[Point]:
            rows = draw_points(number, seed).astype(np.float32).tolist()
            return [Point(f"points.csv:{i}", x, y, i % 2) for i, (x, y) in enumerate(rows)][::order]

        train = [point for point in drawn(count, 1) if point.label in labels]
        return FnArgs(
            _write_split(folder / "train", train),
            _write_split(folder / "eval", drawn(evaluation, 2)),
            str(folder / "model" / "Format-Serving"),
            str(folder / "run"),
        )

    return make


def test_trains_and_hands_on(make_run, capsys):
    import tensorflow as tf

    from components.trainer import points

    fn_args = make_run(400, evaluation=100)
    points.train(fn_args, _config(training_step="gradient_tape"))

    content = json.loads(Path(fn_args.model_run_dir, artifacts.HISTORY).read_text())
    assert (content["model"], content["parameters"], content["seed"]) == ("linear", 3, 7)
    assert content["monitor"] == "val_loss"
    names = {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(set(record) == {"epoch", "seconds"} | names for record in content["epochs"])
    assert Path(fn_args.model_run_dir, artifacts.CURVES).read_bytes().startswith(b"\x89PNG")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"epoch {n}/40" for n in (10, 20, 30, 40)]

    training = points.read_split(fn_args.train_files, "train")
    keys = Path(fn_args.model_run_dir, artifacts.TRAINING_KEYS).read_text().split()
    assert keys == sorted(keys) == training.keys
    served = Path(fn_args.serving_model_dir)
    extra = served / names.ASSETS_EXTRA / names.TRAINING_KEYS_FILE
    assert extra.read_text().split() == keys

    # What is served is the trained model: its validation loss is the best epoch's.
    evaluation = points.read_split(fn_args.eval_files, "eval")
    model = tf.saved_model.load(str(served))
    answer = model.signatures[names.SIGNATURE_SERVING](points=tf.constant(evaluation.values))
    error = answer[names.OUTPUT_SCORE].numpy() - evaluation.targets[:, 0]
    best = content["epochs"][content["best_epoch"] - 1]
    assert np.mean(error**2) == pytest.approx(best["val_loss"], abs=1e-6)
    assert best["val_loss"] < 0.05


def test_the_order_of_the_examples_changes_nothing(make_run):
    from components.trainer import points

    losses = []
    for order in (1, -1):
        fn_args = make_run(60, order)
        points.train(fn_args, _config(epochs=3))
        epochs = json.loads(Path(fn_args.model_run_dir, artifacts.HISTORY).read_text())["epochs"]
        losses.append([(e["loss"], e["val_loss"]) for e in epochs])
    assert losses[0] == losses[1]


def test_bad_splits_are_told(make_run):
    from components.trainer import points

    with pytest.raises(InputError, match="the eval split: expected at least one point, found none"):
        points.train(make_run(10, evaluation=0), _config())
    with pytest.raises(InputError, match="points of negative and positive, found only positive"):
        points.train(make_run(10, labels=(1,)), _config())
