"""Trainings one after another."""

import functools
import gc
import json
import weakref
from pathlib import Path

import numpy as np
import pytest

from components import artifacts
from serving.errors import InputError

# Without batch norm, whose statistics change even where no weight does.
PLAIN = {"model": "convnet_small_150", "model_args": {}, "image_size": 46}
HIGH = {"learning_rate": 3e-3}


@pytest.fixture(scope="module")
def run():
    from components.trainer import run

    return run


@pytest.fixture
def train(loading, splits, tmp_path):
    """train(folder, **changes) trains `PLAIN` and gives its stages; no export."""
    from components.trainer.devices.distribution import Distribution
    from components.trainer.fit import stages
    from components.trainer.settings import TrainerConfig

    indices = [
        loading.index_split(pattern, split, "classification")
        for pattern, split in zip(splits, ("train", "eval"), strict=True)
    ]

    def load_at(side):
        return [loading.load_split(index, "classification", side) for index in indices]

    def go(folder: str = "state", load=None, **changes):
        config = TrainerConfig.model_validate(
            PLAIN | {"batch_size": 8, "sample_epochs": 0, "seed": 5} | changes
        )
        devices = Distribution()
        counts = tuple(map(len, indices))
        return stages.train(
            stages.first_model(config, counts, devices),
            functools.partial(load, load_at) if load else load_at,
            problem="classification",
            config=config,
            folders=[tmp_path / folder / str(number) for number in range(len(config.stages))],
            distribution=devices,
        )

    return go


def read_history(fn_args) -> dict:
    return json.loads(Path(fn_args.model_run_dir, artifacts.HISTORY).read_text())


def values(epochs: list[dict]) -> list[list[float]]:
    return [[v for k, v in sorted(record.items()) if k != "seconds"] for record in epochs]


def test_pictures_of_two_sizes_make_one_training(run, make_fn_args, tmp_path, capsys):
    import keras

    state = tmp_path / "state"
    fn_args = make_fn_args(
        "image_classification",
        model="residual_convnet",
        model_args={},
        image_size=48,
        epochs=2,
        earlier_stages=[{"image_size": 32, "epochs": 1}],
        state_dir=str(state),
    )
    run.run_fn(fn_args)
    output = capsys.readouterr().out
    assert "stage 1 of 2: image_size 32, epochs 1\nepoch 1/1: " in output
    assert "stage 2 of 2: image_size 48, epochs 2\nepoch 1/2: " in output

    history = read_history(fn_args)
    numbers = [(record["epoch"], record["stage"]) for record in history["epochs"]]
    assert numbers == [(1, 1), (2, 2), (3, 2)]
    best = min(history["epochs"][1:], key=lambda record: record["val_loss"])
    assert history["best_epoch"] == best["epoch"]
    model_run = Path(fn_args.model_run_dir)
    assert (model_run / artifacts.CURVES).read_bytes().startswith(b"\x89PNG")
    for stage in ("stage-1", "stage-2"):
        assert list((model_run / run.TENSORBOARD_FOLDER / stage / "train").iterdir())
    model = keras.models.load_model(model_run / artifacts.BEST_CHECKPOINT)
    assert model.input_shape == (None, 48, 48, 3)
    assert Path(fn_args.serving_model_dir, "saved_model.pb").exists()
    assert not list(state.iterdir())


def test_a_stage_starts_from_the_best_epoch_of_the_one_before(train):
    # By accuracy, the earlier of equals is the best epoch, and the loss is lower afterwards.
    monitor = {"monitor": "val_accuracy"}
    first, second = train(
        **monitor, epochs=1, learning_rate=1e-12, earlier_stages=[HIGH | {"epochs": 3}]
    )
    best, last = first.epochs[1:]
    assert best["val_accuracy"] == last["val_accuracy"] > first.epochs[0]["val_accuracy"]
    assert second.epochs[0]["val_loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert second.epochs[0]["val_loss"] > 2 * last["val_loss"]


def test_an_interrupted_stage_goes_on_and_those_before_it_stay(train, monkeypatch, capsys):
    from components.trainer.fit.callbacks import Backup

    recipe = {"epochs": 2, "learning_rate": 1e-4, "earlier_stages": [HIGH | {"epochs": 1}]}
    save = Backup.on_epoch_end
    saved = []

    def interrupt(self, epoch, logs=None):
        save(self, epoch, logs)
        saved.append(epoch)
        if len(saved) == 2:  # the first epoch of the second stage
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Backup, "on_epoch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train("interrupted", **recipe)
    capsys.readouterr()
    sizes = []

    def load(load_at, side):
        sizes.append(side)
        return load_at(side)

    again = train("interrupted", load, **recipe)
    assert sizes == [46]  # of a stage that is finished, nothing is decoded
    output = capsys.readouterr().out
    assert "stage 1 of 2: image_size 46, epochs 1\ntrained already (epochs: 1)\n" in output
    assert "training goes on after epoch 1 of 2" in output
    assert "epoch 2/2" in output
    assert "epoch 1/" not in output
    for stage, other in zip(again, train("whole", **recipe), strict=True):
        np.testing.assert_allclose(values(stage.epochs), values(other.epochs), rtol=1e-3)


def test_the_pictures_of_a_stage_go_with_it(train):
    pictures = []

    def load(load_at, side):
        gc.collect()
        assert not any(reference() for reference in pictures)
        loaded = load_at(side)
        pictures.extend(map(weakref.ref, loaded))
        return loaded

    train("state", load, epochs=1, earlier_stages=[{"epochs": 1}])
    assert len(pictures) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image_size": 46, "earlier_stages": [{"epochs": 1, "image_size": 32}]},
            r"^trainer.earlier_stages.0: trainer.image_size .*found 32",
        ),
        (
            {"image_size": 32, "earlier_stages": [{"epochs": 1, "image_size": 46}]},
            r"^trainer.image_size .*found 32",
        ),
    ],
)
def test_a_stage_that_cannot_be_is_refused_before_one_is_trained(train, changes, message, capsys):
    with pytest.raises(InputError, match=message):
        train(**changes)
    assert "epoch 1" not in capsys.readouterr().out


def test_a_failure_in_an_earlier_stage_names_it(train):
    from components.trainer.fit.callbacks import NonFiniteLossError

    high = {"learning_rate": 1e38, "optimizer": {"name": "sgd"}, "epochs": 1}
    with pytest.raises(NonFiniteLossError, match=r"^trainer.earlier_stages.0: .*loss is"):
        train(epochs=1, earlier_stages=[high])


def test_a_model_whose_weights_fit_one_size_is_refused_before_it_is_trained(
    run, make_fn_args, tmp_path
):
    stages = [{"epochs": 1, "image_size": 64}]
    state = tmp_path / "state"
    fn_args = make_fn_args(
        "image_classification", **PLAIN, epochs=1, earlier_stages=stages, state_dir=str(state)
    )
    message = r"earlier_stages: expected one image size .* 'convnet_small_150'.* found 64 before 46"
    with pytest.raises(InputError, match=message):
        run.run_fn(fn_args)
    assert not state.exists()
    assert not Path(fn_args.model_run_dir).exists()
