"""Averaged weights, early stop, precision and resume of one training."""

import keras
import numpy as np
import pytest

from components.tasks import get_task
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, loop
from components.trainer.fit.callbacks import is_finished
from components.trainer.input.split import Split
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig
from serving.classes import Classes

EMA = {"optimizer": {"name": "adam", "ema": 0.8}, "learning_rate": 1e-3}
WHOLE_RECIPE = {
    "optimizer": {"name": "adamw", "ema": 0.8, "schedule": "cosine", "warmup_epochs": 0.5},
    "augmentation": {"flip": True, "rotation": 0.1, "mixup": 0.2},
    "loss": {"label_smoothing": 0.1, "class_weights": [1.0, 1.5]},
}


def test_averaged_weights_are_what_is_validated_and_kept(train, load, splits, part):
    """The last epoch's checkpoint, measured anew, gives that epoch's validation loss."""
    [stage] = train(**EMA)
    [plain] = train("plain", learning_rate=1e-3, optimizer={"name": "adam"})
    assert stage.epochs[0]["loss"] == pytest.approx(plain.epochs[0]["loss"], rel=1e-4)
    assert stage.epochs[-1]["val_loss"] != pytest.approx(plain.epochs[-1]["val_loss"], rel=1e-4)
    config = TrainerConfig(model="convnet_small_150", image_size=46)
    best = building.build_model(config, part("image_classification"))
    best.load_weights(stage.best_checkpoint)
    best.compile(loss="binary_crossentropy")
    evaluation = load(splits[1], "eval", side=46)
    found = best.evaluate(evaluation.inputs.astype(np.float32), evaluation.targets, verbose=0)
    assert found == pytest.approx(min(epoch["val_loss"] for epoch in stage.epochs), rel=1e-4)


def test_an_interruption_changes_nothing(train, values, stopped_at, capsys):
    [whole] = train("whole", **WHOLE_RECIPE)
    with stopped_at("epoch 2/3"):
        train("cut", **WHOLE_RECIPE)
    [again] = train("cut", **WHOLE_RECIPE)
    assert "training goes on after epoch 1 of 3" in capsys.readouterr().out
    np.testing.assert_allclose(values(again.epochs), values(whole.epochs), rtol=1e-3)


def test_stops_when_nothing_gets_better_and_stays_stopped(train, capsys):
    """A learning rate of next to nothing: the first epoch stays the best one."""
    recipe = {"learning_rate": 1e-30, "patience": 2, "epochs": 9, "monitor": "val_accuracy"}
    [stage] = train(**recipe)
    assert len(stage.epochs) == 3
    assert stage.best_checkpoint.name == "best-0001.weights.h5"
    assert stage.best_checkpoint.exists()
    assert train(**recipe)[0].epochs == stage.epochs
    assert "trained already (epochs: 3)" in capsys.readouterr().out


def test_patience_starts_anew_in_every_stage():
    config = TrainerConfig(epochs=9, patience=3)

    def finished(*losses: float) -> bool:
        return is_finished(config, [{"epoch": n, "val_loss": x} for n, x in enumerate(losses, 1)])

    assert not finished()
    assert not finished(0.33, 0.34, 0.35)
    assert finished(0.33, 0.34, 0.35, 0.36)
    assert not finished(0.33, 0.34, 0.32, 0.35, 0.36)
    assert finished(*np.linspace(1, 0.1, 9))


def test_two_trainings_with_one_seed_are_the_same(train, values):
    recipe = {"augmentation": {"flip": True, "zoom": 0.2, "erasing": 0.5}, "epochs": 2}
    one, other = (values(train(name, **recipe)[0].epochs) for name in ("one", "other"))
    assert one == other
    assert values(train("third", seed=6, **recipe)[0].epochs) != one


def test_mixed_precision_learns_and_leaves_float32_weights(train, part):
    recipe = {"precision": "mixed_bfloat16", "learning_rate": 3e-3}
    [stage] = train(**recipe)
    assert stage.epochs[-1]["loss"] < stage.epochs[0]["loss"]
    config = TrainerConfig(model="convnet_small_150", image_size=46)
    model = building.bare_model(config, part("image_classification"))
    model.load_weights(stage.best_checkpoint)
    assert {str(variable.dtype) for variable in model.weights} == {"float32"}
    assert model.output.dtype == "float32"


def test_five_classes_learn_from_blended_labels(tmp_path):
    part = get_task("image_classification").training(Classes(tuple("abcde")))
    labels = np.arange(40) % 5
    images = np.random.default_rng(1).integers(0, 40, (40, 46, 46, 3)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 9 * label : 9 * label + 9] = 250
    split = Split(images, np.eye(5, dtype=np.float32)[labels])
    config = TrainerConfig(
        model="convnet_small_150",
        image_size=46,
        batch_size=8,
        epochs=8,
        learning_rate=3e-3,
        augmentation={"mixup": 0.1},
        loss={"class_weights": "balanced", "label_smoothing": 0.05},
    )
    model = building.build_model(config, part)
    state = TrainingState(tmp_path)
    common = {"part": part, "config": config, "distribution": Distribution()}
    epochs = loop.fit(model, split, split, progress=state, **common)
    assert model.output_shape == (None, 5)
    assert epochs[-1]["val_loss"] < epochs[0]["val_loss"]
    assert epochs[-1]["val_accuracy"] > 0.5


def test_the_step_is_traced_once(train, monkeypatch):
    """TensorFlow traces a function again that made variables."""
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, data: traced.append(1) or step(self, data)
    )
    train(epochs=2)
    assert len(traced) == 1
