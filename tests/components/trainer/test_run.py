import json
import math
from pathlib import Path

import numpy as np
import pytest

from components import artifacts
from serving.errors import InputError

METRICS = {"classification": {"accuracy"}, "segmentation": {"pixel_accuracy", "mean_iou"}}


@pytest.fixture(scope="module")
def run():
    from components.trainer import run

    return run


def read_history(fn_args) -> dict:
    return json.loads(Path(fn_args.model_run_dir, artifacts.HISTORY).read_text())


@pytest.mark.parametrize("problem", METRICS)
def test_trains_and_hands_on(run, make_fn_args, splits, problem, capsys):
    import keras
    import tensorflow as tf

    from components.trainer.devices import sharing
    from components.trainer.input.batches import batches as input
    from components.trainer.input import split as loading

    fn_args = make_fn_args(problem, epochs=3, learning_rate=1e-3)
    run.run_fn(fn_args)

    content = read_history(fn_args)
    epochs = content["epochs"]
    assert content["model"] == fn_args.custom_config["trainer"]["model"]
    assert content["parameters"] == {"classification": 721_857, "segmentation": 2_880_643}[problem]
    assert (content["seed"], content["monitor"]) == (5, "val_loss")
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    names = {"loss"} | METRICS[problem]
    assert all(
        set(record) == {"epoch", "seconds"} | names | {f"val_{n}" for n in names}
        for record in epochs
    )
    losses = [record["val_loss"] for record in epochs]
    assert content["best_epoch"] == 1 + int(np.argmin(losses))
    # Learning happened, and the loss is that of the problem: it starts near chance.
    assert epochs[-1]["loss"] < epochs[0]["loss"] < 3

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 3
    assert "pictures/s" in lines[0]
    assert f"val_loss {losses[1]:.4f}" in lines[1]

    model_run = Path(fn_args.model_run_dir)
    keys = sorted(f"{number * 7919 % 65536:016x}" for number in range(24))
    assert (model_run / artifacts.TRAINING_KEYS).read_text().splitlines() == keys
    assert (model_run / artifacts.CURVES).read_bytes().startswith(b"\x89PNG")
    assert list((model_run / run.TENSORBOARD_FOLDER).rglob("events.out.tfevents.*"))

    # The checkpoint is the best epoch: measured anew, it has that epoch's validation loss.
    best = keras.models.load_model(model_run / run.BEST_CHECKPOINT)
    best.compile(
        loss={"classification": "bce", "segmentation": "sparse_categorical_crossentropy"}[problem]
    )
    index = loading.index_split(splits[1], "eval", problem)
    pictures = loading.load_split(index, problem, 32)
    loss = best.evaluate(
        input.batches_of(pictures, sharing.evaluation_rows(len(pictures), 8, 1)), verbose=0
    )
    assert math.isclose(loss, min(losses), rel_tol=1e-4)

    # And so is the SavedModel: both answer the same.
    served = Path(fn_args.serving_model_dir)
    extra = served / names.ASSETS_EXTRA / names.TRAINING_KEYS_FILE
    assert extra.read_text().splitlines() == keys
    records = list(
        tf.data.TFRecordDataset(index.files, compression_type="GZIP").as_numpy_iterator()
    )
    answer = tf.saved_model.load(str(served)).signatures[names.SIGNATURE_FROM_EXAMPLES](
        tf.constant(records)
    )
    # uint8 rounding in training against the endpoint's float32: measured, not assumed.
    expected = best.predict(pictures.images[index.positions].astype(np.float32), verbose=0)
    if problem == "classification":
        actual = answer[names.OUTPUT_PROBABILITIES].numpy()[:, 1:]
        np.testing.assert_allclose(actual, expected, atol=5e-3)
    else:
        agree = answer[names.OUTPUT_MASK].numpy() == expected.argmax(axis=-1)
        assert agree.mean() > 0.995


def test_a_loss_that_is_no_number_stops_with_its_place(run, make_fn_args, tmp_path):
    state = tmp_path / "state"
    fn_args = make_fn_args("image_segmentation", learning_rate=1e30, epochs=3, state_dir=str(state))
    with pytest.raises(RuntimeError, match=r"loss is (nan|inf) at epoch \d, step \d: .*stopped"):
        run.run_fn(fn_args)
    assert not Path(fn_args.serving_model_dir).exists()


def test_a_model_for_another_problem_is_refused(run, make_fn_args):
    fn_args = make_fn_args("image_classification", model="segmentation_convnet", model_args={})
    with pytest.raises(InputError, match=r"a model for classification .*mini_xception"):
        run.run_fn(fn_args)


def test_a_failing_export_leaves_what_a_second_start_goes_on_from(
    run, make_fn_args, tmp_path, monkeypatch, capsys
):
    state = tmp_path / "state"

    def fail(*args, **kwargs):
        raise OSError("disk full")

    kind = {"model": "convnet_small_150", "model_args": {}, "image_size": 46, "epochs": 1}
    with monkeypatch.context() as patch:
        patch.setattr(run.endpoints, "export_model", fail)
        with pytest.raises(OSError, match="disk full"):
            run.run_fn(make_fn_args("image_classification", 1, state_dir=str(state), **kind))
    assert len(list(state.iterdir())) == 1
    capsys.readouterr()
    fn_args = make_fn_args("image_classification", 2, state_dir=str(state), **kind)
    run.run_fn(fn_args)
    assert "trained already (epochs: 1)" in capsys.readouterr().out
    assert [record["epoch"] for record in read_history(fn_args)["epochs"]] == [1]
    assert Path(fn_args.serving_model_dir, "saved_model.pb").exists()
    assert not list(state.iterdir())


def test_every_other_training_has_a_state_of_its_own(
    run, make_fn_args, write_split, tmp_path, monkeypatch
):
    folders = []

    class StopError(Exception):
        pass

    def stop(*args, progress, **kwargs):
        folders.append(progress.folder.name)
        raise StopError

    monkeypatch.setattr(run.stages.loop, "fit", stop)
    state = str(tmp_path / "state")

    def folder_of(fn_args) -> str:
        with pytest.raises(StopError):
            run.run_fn(fn_args)
        return folders[-1]

    def make(execution: int = 1, **trainer):
        return make_fn_args("image_segmentation", execution, state_dir=state, **trainer)

    same = folder_of(make())
    assert folder_of(make(2)) == same
    more_data = make()
    more_data.eval_files = write_split(tmp_path / "more", list(range(100, 109)))
    edited_code = make()
    edited_code.custom_config["source_digest"] = "abc"
    staged = make(earlier_stages=[{"epochs": 1}])
    others = [make(seed=6), make(learning_rate=2e-3), make(epochs=3), more_data, edited_code]
    others.append(staged)
    assert len({same, *map(folder_of, others)}) == 1 + len(others)
    # A stage is the same training whatever comes after it, and alone.
    assert folder_of(make(epochs=5, earlier_stages=[{"epochs": 1}])) == folder_of(staged)
    assert folder_of(make(epochs=1)) == folder_of(staged)
