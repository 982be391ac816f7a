import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components import artifacts
from components.datasets.examples import read_records
from components.trainer import run
from components.trainer.devices import replicas
from components.trainer.input.batches import batches_of
from serving import names
from serving.classes import CLASSES_FILE

CLASSES, MASKS = "image_classification", "image_segmentation"
METRICS = {CLASSES: {"accuracy"}, MASKS: {"pixel_accuracy", "mean_iou"}}
PARAMETERS = {CLASSES: 721_857, MASKS: 2_880_643}


@pytest.mark.parametrize("task", METRICS)
def test_trains_and_hands_on(make_fn_args, splits, part, index, *, load, task, capsys):
    fn_args = make_fn_args(task, epochs=3)
    fn_args.hyperparameters = {"values": {"learning_rate": 1e-3}}
    run.run_fn(fn_args)

    content = fn_args.history()
    epochs = content["epochs"]
    assert content["model"] == fn_args.custom_config["trainer"]["model"]
    assert content["parameters"] == PARAMETERS[task]
    assert (content["seed"], content["monitor"]) == (5, "val_loss")
    assert content["hyperparameters"] == {"learning_rate": 1e-3}
    assert [record["epoch"] for record in epochs] == [1, 2, 3]
    measured = {"loss"} | METRICS[task]
    told = {"epoch", "seconds"} | measured | {f"val_{n}" for n in measured}
    assert all(set(record) == told for record in epochs)
    losses = [record["val_loss"] for record in epochs]
    assert content["best_epoch"] == 1 + int(np.argmin(losses))
    # Learning happened, and the loss is that of the task: it starts near chance.
    assert epochs[-1]["loss"] < epochs[0]["loss"] < 3

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 3
    assert "examples/s" in lines[0]
    assert f"val_loss {losses[1]:.4f}" in lines[1]

    model_run = Path(fn_args.model_run_dir)
    keys = sorted(f"{number * 7919 % 65536:016x}" for number in range(24))
    assert (model_run / artifacts.TRAINING_KEYS).read_text().splitlines() == keys
    assert (model_run / artifacts.CURVES).read_bytes().startswith(b"\x89PNG")
    assert list((model_run / "tensorboard").rglob("events.out.tfevents.*"))

    # The checkpoint is the best epoch: measured anew, it has that epoch's validation loss.
    best = fn_args.best_model()
    best.compile(loss="sparse_categorical_crossentropy")
    found, split = index(splits[1], "eval", task), load(splits[1], "eval", task)
    batches = batches_of(split, replicas.evaluation_rows(len(split), 8, 1))
    assert math.isclose(best.evaluate(batches, verbose=0), min(losses), rel_tol=1e-4)

    # And so is the SavedModel: both answer the same.
    served = Path(fn_args.serving_model_dir)
    extra = served / names.ASSETS_EXTRA
    assert (extra / names.TRAINING_KEYS_FILE).read_text().splitlines() == keys
    assert (extra / names.MODEL_CLASSES_FILE).read_text() == part(task).classes.to_json()
    answer = tf.saved_model.load(str(served)).signatures[names.SIGNATURE_FROM_EXAMPLES](
        tf.constant(list(read_records(splits[1])))
    )
    # uint8 rounding in training against the endpoint's float32: measured, not assumed.
    expected = best.predict(split.inputs[found.positions].astype(np.float32), verbose=0)
    if task == "image_classification":
        actual = answer[names.OUTPUT_PROBABILITIES].numpy()
        np.testing.assert_allclose(actual, expected, atol=5e-3)
    else:
        agree = answer[names.OUTPUT_MASK].numpy() == expected.argmax(axis=-1)
        assert agree.mean() > 0.995


def test_a_loss_that_is_no_number_stops_with_its_place(make_fn_args, tmp_path):
    state = tmp_path / "state"
    fn_args = make_fn_args("image_segmentation", learning_rate=1e30, epochs=3, state_dir=str(state))
    with pytest.raises(RuntimeError, match=r"loss is (nan|inf) at epoch \d, step \d: .*stopped"):
        run.run_fn(fn_args)
    assert not Path(fn_args.serving_model_dir).exists()


def test_a_failing_export_leaves_what_a_second_start_goes_on_from(make_fn_args, tmp_path, capsys):
    state = tmp_path / "state"
    kind = {"model": "convnet_small_150", "model_args": {}, "image_size": 46, "epochs": 1}
    fn_args = make_fn_args("image_classification", state_dir=str(state), **kind)
    blocked = Path(fn_args.serving_model_dir).parent
    blocked.touch()  # a file, where a folder should be made
    with pytest.raises(Exception, match=blocked.name):
        run.run_fn(fn_args)
    assert len(list(state.iterdir())) == 1
    capsys.readouterr()
    blocked.unlink()
    run.run_fn(fn_args)
    assert "trained already (epochs: 1)" in capsys.readouterr().out
    assert [record["epoch"] for record in fn_args.history()["epochs"]] == [1]
    assert Path(fn_args.serving_model_dir, "saved_model.pb").exists()
    assert not list(state.iterdir())


def test_every_training_has_its_own_state(make_fn_args, write_split, part, prepared, tmp_path):
    def state_names(fn_args) -> list[str]:
        return [path.name for path in prepared(fn_args)["folders"]]

    def make(**trainer):
        return make_fn_args("image_segmentation", state_dir=str(tmp_path), **trainer)

    [same] = state_names(make())
    assert state_names(make()) == [same]
    # What the model answers like when it is trained has no part in the training.
    assert state_names(make(export={"test_time_flip": True})) == [same]
    # A stage is the same training whatever comes after it, and alone.
    assert state_names(make(stages=[{}, {"epochs": 1}]))[0] == same
    more_data, other_weights, other_colors = make(), make(), make()
    more_data.eval_files = write_split(tmp_path / "more", list(range(100, 109)))
    other_weights.custom_config["starts_from"] = {"trainer.weights": "abc"}
    (tmp_path / "Split-train").symlink_to(Path(other_colors.train_files[0]).parent)
    colors = part("image_segmentation").classes.to_json().replace("9", "8")
    (tmp_path / CLASSES_FILE).write_text(colors)
    other_colors.train_files = [f"{tmp_path}/Split-train/*"]
    others = [make(seed=6), make(learning_rate=2e30), make(epochs=3)]
    others += [more_data, other_weights, other_colors]
    assert len({same, *(name for other in others for name in state_names(other))}) == 7
