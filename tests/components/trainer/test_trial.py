import pytest

from components.trainer.settings import TrainerConfig
from serving.errors import InputError

PROBLEM = "classification"


def make_config(**changes) -> TrainerConfig:
    base = {"model": "convnet_small_150", "image_size": 46, "batch_size": 8, "epochs": 2, "seed": 5}
    return TrainerConfig.model_validate(base | {"sample_epochs": 0} | changes)


@pytest.fixture(scope="module")
def trial():
    from components.trainer.fit import trial

    return trial


@pytest.fixture(scope="module")
def shared(trial, splits):
    return trial.index_splits(*splits, PROBLEM, make_config())


def values(epochs: list[dict]) -> list[dict]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in epochs]


@pytest.fixture(scope="module")
def whole(trial, shared, tmp_path_factory):
    """An undisturbed trial, and where it is kept."""
    folder = tmp_path_factory.mktemp("whole")
    return trial.run_trial(make_config(), shared, folder), folder


def forbid(*args, **kwargs):
    raise AssertionError("trained again")


def test_a_trial_is_made_once_and_leaves_its_records_alone(trial, shared, whole, monkeypatch):
    made, folder = whole
    assert [record["epoch"] for record in made.epochs] == [1, 2]
    assert made.failure == ""
    (kept,) = folder.iterdir()
    assert kept.stat().st_size < 10_000  # no weights
    monkeypatch.setattr(trial.loop, "fit", forbid)
    assert trial.run_trial(make_config(), shared, folder) == made
    assert trial.run_trial(make_config(export={"test_time_flip": True}), shared, folder) == made


def test_every_other_training_is_another_trial(trial, shared, whole, write_split, tmp_path):
    _, folder = whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial.loop, "fit", forbid)
        others = [{"seed": 6}, {"epochs": 3}, {"batch_size": 4}, {"monitor": "val_accuracy"}]
        for change in others:
            with pytest.raises(AssertionError, match="trained again"):
                trial.run_trial(make_config(**change), shared, folder)
        more = trial.index_splits(
            write_split(tmp_path / "train", list(range(25))),
            write_split(tmp_path / "eval", list(range(100, 108))),
            PROBLEM,
            make_config(),
        )
        with pytest.raises(AssertionError, match="trained again"):
            trial.run_trial(make_config(), more, folder)


def test_an_interrupted_trial_goes_on(trial, shared, whole, tmp_path, capsys):
    from components.trainer.fit.callbacks import Backup

    save = Backup.on_epoch_end

    def interrupt(self, epoch, logs=None):
        save(self, epoch, logs)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backup, "on_epoch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            trial.run_trial(make_config(), shared, tmp_path)
    capsys.readouterr()
    again = trial.run_trial(make_config(), shared, tmp_path)
    output = capsys.readouterr().out
    assert "goes on after epoch 1 of 2" in output
    assert "epoch 1/2" not in output
    for one, other in zip(values(again.epochs), values(whole[0].epochs), strict=True):
        assert one == pytest.approx(other, rel=1e-3)


def test_a_trial_does_not_depend_on_those_before_it(trial, shared, whole, tmp_path):
    trial.run_trial(make_config(seed=9, epochs=1), shared, tmp_path)
    after = trial.run_trial(make_config(), shared, tmp_path)
    for one, other in zip(values(after.epochs), values(whole[0].epochs), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_a_loss_that_is_no_number_is_a_failure_that_is_kept(trial, shared, tmp_path, monkeypatch):
    config = make_config(learning_rate=1e38, optimizer={"name": "sgd"})
    failed = trial.run_trial(config, shared, tmp_path)
    assert failed.failure.startswith(("loss is", "val_loss is"))
    assert "epoch" in failed.failure
    monkeypatch.setattr(trial.loop, "fit", forbid)
    assert trial.run_trial(config, shared, tmp_path) == failed


def test_a_model_for_another_problem_is_refused(trial, shared, tmp_path):
    with pytest.raises(InputError, match="a model for classification"):
        trial.run_trial(make_config(model="segmentation_convnet"), shared, tmp_path)
    assert not list(tmp_path.iterdir())
