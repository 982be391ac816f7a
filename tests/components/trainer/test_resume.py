from pathlib import Path

import keras
import numpy as np
import pytest

from components.trainer.records import state as state_module
from components.trainer.records.state import TrainingState


@pytest.fixture
def model():
    """A new small model, compiled, with a random layer."""

    def make():
        layers = [keras.Input((2,)), keras.layers.Dense(1), keras.layers.Dropout(0.5)]
        made = keras.Sequential(layers)
        made.compile("rmsprop", "mse")
        made.optimizer.build(made.trainable_variables)
        return made

    return make


def epochs_of(*losses: float) -> list[dict]:
    return [{"epoch": number, "val_loss": loss} for number, loss in enumerate(losses, start=1)]


def save(model, folder: Path, *losses: float) -> None:
    """Each time by another process."""
    state = TrainingState(folder)
    state.epochs = epochs_of(*losses)
    state.save(model)


def test_what_the_state_names_is_on_the_disk_before_it(model, tmp_path, monkeypatch):
    """A machine may fail and lose whatever was written but not flushed."""
    flushed = []

    def fsync(descriptor):
        names = {path.stat().st_ino: path.name for path in [*tmp_path.iterdir(), tmp_path]}
        flushed.append(names[state_module.os.fstat(descriptor).st_ino])

    monkeypatch.setattr(state_module.os, "fsync", fsync)
    save(model(), tmp_path, 1.0)
    *weights, draft, folder = flushed
    assert weights == ["weights-0001.weights.h5", "best-0001.weights.h5"]
    assert draft.startswith(".state.json.")
    assert folder == tmp_path.name


def test_a_kill_while_saving_leaves_the_epoch_before(model, tmp_path, monkeypatch):
    folder = tmp_path / "state"

    def fail(_):
        if list(folder.glob(".state.json.*")):  # written, not yet valid
            raise KeyboardInterrupt

    x = np.ones((4, 2), np.float32)
    trained = model()
    trained.fit(x, x[:, :1], verbose=0)
    save(trained, folder, 1.0)
    kept = trained.get_weights()
    trained.fit(x, x[:, :1], verbose=0)
    with monkeypatch.context() as patch:
        patch.setattr(state_module.os, "fsync", fail)
        with pytest.raises(KeyboardInterrupt):
            save(trained, folder, 1.0, 0.5)
    restored, state = model(), TrainingState(folder)
    state.restore(restored)
    assert state.epochs == epochs_of(1.0)
    for one, other in zip(kept, restored.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(restored.optimizer.iterations.numpy()) == 1


def test_the_best_epoch_is_kept_whatever_comes_after_it(model, tmp_path):
    weights, trained = [], model()
    for losses in ((0.5,), (0.5, 0.4), (0.5, 0.4, 0.4), (0.5, 0.4, 0.4, 0.6)):
        trained.set_weights([weight + 1.0 for weight in trained.get_weights()])
        weights.append(trained.get_weights())
        save(trained, tmp_path, *losses)
    best = TrainingState(tmp_path).best_checkpoint
    names = {"best-0002.weights.h5", "weights-0004.weights.h5", "state.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    trained.load_weights(best)
    np.testing.assert_array_equal(trained.get_weights()[0], weights[1][0])
