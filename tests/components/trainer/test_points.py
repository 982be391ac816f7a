import keras
import numpy as np
import pytest
import tensorflow as tf

from components import features, models
from components.datasets.synth import draw_points
from components.trainer.run import run_fn
from serving import names
from serving.classes import Classes
from serving.errors import InputError

CLASSES = Classes(("negative", "positive"))
TRAINER = {"model": "linear", "epochs": 40, "batch_size": 100_000, "seed": 7}
TRAINER |= {"learning_rate": 0.1, "optimizer": {"name": "sgd"}}


def _drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    targets = (np.arange(count) % 2).astype(np.float32)[:, None]
    return draw_points(count, seed).astype(np.float32), targets


def _examples(points: np.ndarray, targets: np.ndarray, order: int = 1) -> list[dict]:
    made = [
        {
            features.POINT_X: float(x),
            features.POINT_Y: float(y),
            features.POINT_KEY: f"{row * 7919 % 65536:016x}",
            features.POINT_ROW: f"points.csv:{row}",
            features.POINT_LABEL: int(label),
        }
        for row, ((x, y), label) in enumerate(zip(points, targets[:, 0], strict=True))
    ]
    return made[::order]


@pytest.fixture
def run(make_fn_args, write_examples, tmp_path):
    """run(train, evaluation, order=1, **trainer) trains; FnArgs, history."""

    def go(train, evaluation, order: int = 1, **changes):
        execution = len(list(tmp_path.iterdir()))
        fn_args = make_fn_args("image_classification", execution)
        fn_args.custom_config |= {"task": "points", "trainer": TRAINER | changes}
        folder = tmp_path / f"data-{execution}"
        splits = {"train": train, "eval": evaluation}
        made = {name: _examples(*rows, order) for name, rows in splits.items()}
        write_examples(folder, made, CLASSES)
        fn_args.train_files, fn_args.eval_files = ([f"{folder}/Split-{x}/*"] for x in splits)
        run_fn(fn_args)
        return fn_args, fn_args.history()

    return go


def _descend(weights, x, t, steps: int, rate: float):
    """Full-batch gradient descent in float64: weights after each step, loss before it."""
    w, b = (value.astype(np.float64) for value in weights)
    losses, path = [], []
    for _ in range(steps):
        error = x @ w + b - t
        losses.append(np.mean(error**2))
        w = w - rate * 2 * x.T @ error / len(x)
        b = b - rate * 2 * error.mean(axis=0)
        path.append((w, b))
    return losses, path


def _fresh_weights():
    keras.utils.set_random_seed(TRAINER["seed"])
    return models.build("linear", None, 2).get_weights()


def test_every_step_is_that_of_gradient_descent(run):
    train, (x, t) = _drawn(2000, 11), _drawn(300, 12)
    losses, path = _descend(_fresh_weights(), *train, 40, 0.1)
    fn_args, history = run(train, (x, t))
    epochs = history["epochs"]
    assert (history["model"], history["parameters"], history["seed"]) == ("linear", 3, 7)
    np.testing.assert_allclose([e["loss"] for e in epochs], losses, atol=1e-5)
    for record, (w, b) in zip(epochs, path, strict=True):
        scores = x @ w + b
        assert record["val_loss"] == pytest.approx(np.mean((scores - t) ** 2), abs=1e-5)
        right = np.mean((scores > 0.5) == t)
        assert record["val_accuracy"] == pytest.approx(right, abs=0.004)  # one of 300 on the line
    # The book: "After 40 steps, the training loss seems to have stabilized around 0.025."
    assert epochs[-1]["loss"] == pytest.approx(0.025, abs=0.004)
    assert epochs[-1]["accuracy"] > 0.99

    served = tf.saved_model.load(fn_args.serving_model_dir)
    answer = served.signatures[names.SIGNATURE_SERVING](points=tf.constant(x))
    error = answer[names.OUTPUT_SCORE].numpy() - t[:, 0]
    best = epochs[history["best_epoch"] - 1]
    assert np.mean(error**2) == pytest.approx(best["val_loss"], abs=1e-6)


def test_the_best_epoch_is_kept_whatever_the_order_of_examples(run):
    # Validation wants the opposite of what training teaches: it soon gets worse.
    x, t = _drawn(200, 1)
    _, path = _descend(_fresh_weights(), x, t, 6, 0.1)
    val_losses = [np.mean((x @ w + b - (1 - t)) ** 2) for w, b in path]
    best = int(np.argmin(val_losses))
    assert best < 4
    found = []
    for order in (1, -1):
        fn_args, history = run((x, t), (x, 1 - t), order, epochs=6)
        assert history["best_epoch"] == 1 + best
        found.append([record["loss"] for record in history["epochs"]])
    assert found[0] == found[1]
    for value, expected in zip(fn_args.best_model().get_weights(), path[best], strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


def test_a_loss_for_other_tasks_is_refused(run):
    drawn = _drawn(20, 1)
    with pytest.raises(InputError, match=r"trainer.loss.focal_gamma: expected nothing"):
        run(drawn, drawn, loss={"focal_gamma": 1.0})
