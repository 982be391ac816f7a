"""Phases, averaged weights, early stop, precision and resume of `loop.fit`."""

import contextlib
import dataclasses
import functools
import json

import numpy as np
import pytest

from components import models
from components.trainer.settings import TrainerConfig

# Small, with dropout; the smallest pictures that it takes.
MODEL = {"model": "convnet_small_150", "image_size": 46}


class StopError(Exception):
    """Stands for a kill between two epochs."""


@pytest.fixture(scope="module")
def data(loading, splits):
    return tuple(
        loading.load_split(loading.index_split(p, split, "classification"), "classification", 46)
        for p, split in zip(splits, ("train", "eval"), strict=True)
    )


@pytest.fixture(scope="module")
def train_in(data):
    """train_in(folder, state="state", stop_after=0, **trainer) -> model, epochs, state."""
    from components.trainer.fit import building, callbacks, loop
    from components.trainer.records.state import TrainingState

    save = callbacks.Backup.on_epoch_end

    def go(folder, name: str = "state", stop_after: int = 0, **changes):
        base = {"batch_size": 8, "epochs": 3, "seed": 5, "sample_epochs": 0}
        config = TrainerConfig.model_validate(MODEL | base | changes)
        state = TrainingState(folder / name, config.monitor)

        def save_and_stop(self, epoch, logs=None):
            save(self, epoch, logs)
            if epoch + 1 == stop_after:
                raise StopError

        with pytest.MonkeyPatch.context() as patch, building.dtype_policy(config.precision):
            if stop_after:
                patch.setattr(callbacks.Backup, "on_epoch_end", save_and_stop)
            model = building.build_model(config)
            with pytest.raises(StopError) if stop_after else contextlib.nullcontext():
                loop.fit(model, *data, problem="classification", config=config, progress=state)
        return model, state.epochs(), state

    return go


@pytest.fixture
def train(train_in, tmp_path):
    """`train_in` the test's own folder."""
    return functools.partial(train_in, tmp_path)


def values(epochs: list[dict]) -> list[list[float]]:
    return [[v for k, v in sorted(epoch.items()) if k != "seconds"] for epoch in epochs]


PHASES = {"epochs": 2, "fine_tune": {"epochs": 2}}


@pytest.fixture(scope="module")
def backbone():
    """Lets the small model be fine-tuned from its third convolution on, as the large ones are."""
    name = MODEL["model"]
    spec = dataclasses.replace(models.spec(name), fine_tune_from="conv3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models._SPECS, name, spec)
        yield


@pytest.fixture(scope="module")
def undisturbed(backbone, train_in, tmp_path_factory):
    """The epochs of a training in two phases that is not stopped."""
    return train_in(tmp_path_factory.mktemp("undisturbed"), **PHASES)[1]


@pytest.mark.usefixtures("backbone")
def test_the_head_learns_first_and_then_the_top_blocks(train):
    from components.trainer.fit import building

    model, _, state = train(stop_after=2, **PHASES)
    fresh = building.build_model(TrainerConfig.model_validate(MODEL | PHASES | {"seed": 5}))

    def moved(trained) -> set[str]:
        return {
            layer.name
            for layer, before in zip(trained.layers, fresh.layers, strict=True)
            for one, other in zip(layer.get_weights(), before.get_weights(), strict=True)
            if not np.array_equal(one, other)
        }

    assert moved(model) == {"dense", "logits"}
    model, epochs, _ = train(**PHASES)
    assert moved(model) == {"conv3", "trunk_output", "dense", "logits"}
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    assert state.folder.exists()


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_two_phases_go_on_where_they_were(train, undisturbed, stop_after):
    train(stop_after=stop_after, **PHASES)
    _, epochs, _ = train(**PHASES)
    np.testing.assert_allclose(values(epochs), values(undisturbed), rtol=1e-3)


EMA = {"optimizer": {"name": "adam", "ema": 0.8}, "learning_rate": 1e-3}


def test_averaged_weights_are_what_is_validated_and_kept(train, data):
    """The last epoch's checkpoint, measured anew, gives that epoch's validation loss."""
    from components.trainer.fit import building

    _, epochs, state = train(**EMA)
    plain_epochs = train("plain", learning_rate=1e-3, optimizer={"name": "adam"})[1]
    assert epochs[0]["loss"] == pytest.approx(plain_epochs[0]["loss"], rel=1e-4)
    assert epochs[-1]["val_loss"] != pytest.approx(plain_epochs[-1]["val_loss"], rel=1e-4)
    best = building.build_model(TrainerConfig.model_validate(MODEL))
    best.load_weights(state.best_checkpoint(epochs))
    best.compile(loss="binary_crossentropy")
    found = best.evaluate(data[1].images.astype(np.float32), data[1].targets, verbose=0)
    assert found == pytest.approx(min(epoch["val_loss"] for epoch in epochs), rel=1e-4)


def test_averaged_weights_survive_an_interruption(train):
    _, whole, _ = train("whole", **EMA)
    train("cut", stop_after=1, **EMA)
    _, epochs, _ = train("cut", **EMA)
    np.testing.assert_allclose(values(epochs), values(whole), rtol=1e-3)


def test_schedule_goes_on_where_it_was(train):
    recipe = {
        "optimizer": {"name": "adamw", "schedule": "cosine", "warmup_epochs": 0.5},
        "augmentation": {"flip": True, "rotation": 0.1, "mixup": 0.2},
        "loss": {"label_smoothing": 0.1, "class_weights": [1.0, 1.5]},
    }
    _, whole, _ = train("whole", **recipe)
    train("cut", stop_after=2, **recipe)
    model, epochs, _ = train("cut", **recipe)
    np.testing.assert_allclose(values(epochs), values(whole), rtol=1e-3)
    assert int(model.optimizer.iterations) == 9
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0, abs=1e-9)


def test_stops_when_nothing_gets_better_and_stays_stopped(train):
    """A learning rate of next to nothing: the first epoch stays the best one."""
    recipe = {"learning_rate": 1e-30, "patience": 2, "epochs": 9, "monitor": "val_accuracy"}
    _, epochs, state = train(**recipe)
    assert len(epochs) == 3
    assert state.best_checkpoint(epochs).exists()
    model, again, _ = train(**recipe)
    assert values(again) == values(epochs)
    assert not model.compiled  # nothing was trained


def test_patience_starts_anew_with_the_top_blocks():
    """The first phase may have been at its best long ago; the second gets the same time."""
    from components.trainer.fit.callbacks import patience_is_over

    head = [0.30, 0.31, 0.32, 0.33, 0.34]

    def is_over(*top: float) -> bool:
        records = [{"epoch": n, "val_loss": x} for n, x in enumerate([*head, *top], 1)]
        return patience_is_over(records, "val_loss", 3, begin=len(head))

    assert not is_over(0.33)
    assert not is_over(0.33, 0.32)
    assert is_over(0.33, 0.32, 0.31)
    assert not is_over(0.33, 0.29, 0.31, 0.32)
    assert is_over(0.33, 0.29, 0.31, 0.32, 0.33)


def test_monitors_the_largest_accuracy(train):
    _, epochs, state = train(monitor="val_accuracy", epochs=4, learning_rate=3e-3)
    accuracies = [epoch["val_accuracy"] for epoch in epochs]
    best = 1 + int(np.argmax(accuracies))
    assert state.best_checkpoint(epochs).name == f"best-{best:04d}.weights.h5"
    assert state.best_checkpoint(epochs).exists()


def test_two_trainings_with_one_seed_are_the_same(train):
    recipe = {"augmentation": {"flip": True, "zoom": 0.2, "erasing": 0.5}}
    one, other = (train(name, **recipe)[1] for name in ("one", "other"))
    assert values(one) == values(other)
    assert values(train("third", seed=6, **recipe)[1]) != values(one)


def test_mixed_precision_learns_and_leaves_float32_weights(train):
    model, epochs, state = train(precision="mixed_bfloat16", learning_rate=3e-3)
    assert model.get_layer("trunk_output").compute_dtype == "bfloat16"
    assert {str(variable.dtype) for variable in model.weights} == {"float32"}
    assert model.output.dtype == "float32"
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    content = json.loads((state.folder / "state.json").read_text())
    assert len(content["epochs"]) == 3


def test_the_step_is_traced_once(train, monkeypatch):
    """TensorFlow traces a function again that made variables."""
    import keras

    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, data: traced.append(1) or step(self, data)
    )
    train(epochs=2)
    assert len(traced) == 1
