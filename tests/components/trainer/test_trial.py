import json

import pytest

from components.tasks import get_task
from components.trainer.fit import trial
from components.trainer.fit.callbacks import NonFiniteLossError
from components.trainer.input.split import index_splits
from components.trainer.settings import TrainerConfig
from serving.classes import Classes

TASK = get_task("image_classification")
CLASSES = Classes(("cat", "dog"))


def make_config(**changes) -> TrainerConfig:
    base = {"model": "convnet_small_150", "image_size": 46, "batch_size": 8, "epochs": 2, "seed": 5}
    return TrainerConfig.model_validate(base | {"sample_epochs": 0} | changes)


@pytest.fixture(scope="module")
def shared(splits):
    return index_splits(*splits, TASK, CLASSES)


@pytest.fixture(scope="module")
def whole(shared, tmp_path_factory):
    """An undisturbed trial, and where it is kept."""
    folder = tmp_path_factory.mktemp("whole")
    return trial.run_trial(make_config(), shared, folder), folder


def test_a_trial_is_made_once_and_leaves_its_records_alone(shared, whole):
    made, folder = whole
    assert [record["epoch"] for record in made.epochs] == [1, 2]
    assert made.failure == ""
    (kept,) = folder.iterdir()
    assert kept.stat().st_size < 10_000  # no weights
    # Seconds and all: it is read.
    assert trial.run_trial(make_config(), shared, folder) == made
    assert trial.run_trial(make_config(export={"test_time_flip": True}), shared, folder) == made


def test_every_other_training_is_another_trial_and_failures_are_kept(
    shared, splits, write_split, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise NonFiniteLossError("loss is nan at epoch 1, step 2: training stopped")

    monkeypatch.setattr(trial.stages, "train", fail)
    more = index_splits(write_split(tmp_path / "train", list(range(25))), splits[1], TASK, CLASSES)
    folder = tmp_path / "trials"
    folder.mkdir()
    changes = [{}, {"seed": 6}, {"epochs": 3}, {"batch_size": 4}, {"monitor": "val_accuracy"}]
    changes.append({"stages": [{}, {"epochs": 1}]})
    for config, data in [(each, shared) for each in changes] + [({}, more)]:
        failed = trial.run_trial(make_config(**config), data, folder)
        assert failed == trial.Trial([], "loss is nan at epoch 1, step 2")
    records = list(folder.iterdir())
    assert len(records) == len(changes) + 1
    for record in records:  # what is kept is taken
        record.write_text(json.dumps({"epochs": [], "failure": "as kept"}))
    assert trial.run_trial(make_config(), shared, folder).failure == "as kept"


def test_an_interrupted_trial_goes_on(shared, whole, values, stopped_at, *, tmp_path, capsys):
    trial.run_trial(make_config(seed=9, epochs=1), shared, tmp_path)  # which does not matter
    with stopped_at("epoch 2/2"):
        trial.run_trial(make_config(), shared, tmp_path)
    capsys.readouterr()
    again = trial.run_trial(make_config(), shared, tmp_path)
    output = capsys.readouterr().out
    assert "goes on after epoch 1 of 2" in output
    assert "epoch 1/2" not in output
    for one, other in zip(values(again.epochs), values(whole[0].epochs), strict=True):
        assert one == pytest.approx(other, rel=1e-3)
