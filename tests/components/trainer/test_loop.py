import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.tasks import get_task
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, loop
from components.trainer.fit.callbacks import SAMPLES, SampleImages, is_finished
from components.trainer.input.split import Split
from components.trainer.records.state import TrainingState
from components.trainer.sections import OptimizerConfig
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
    loop.fit(model, split, split, progress=state, **common)
    assert model.output_shape == (None, 5)
    assert state.epochs[-1]["val_loss"] < state.epochs[0]["val_loss"]
    assert state.epochs[-1]["val_accuracy"] > 0.5


def test_the_step_is_traced_once(train, monkeypatch):
    """TensorFlow traces a function again that made variables."""
    traced = []
    step = keras.Model.train_step
    monkeypatch.setattr(
        keras.Model, "train_step", lambda self, data: traced.append(1) or step(self, data)
    )
    train(epochs=2)
    assert len(traced) == 1


def cosine(steps: int) -> list[float]:
    return [0.2 * (1 + math.cos(math.pi * step / steps)) for step in range(steps + 1)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"schedule": "cosine"}, cosine(50)),
        ({"schedule": "cosine", "warmup_epochs": 2}, [*(0.4 * np.arange(10) / 10), *cosine(40)]),
        ({"warmup_epochs": 1}, [*(0.4 * np.arange(5) / 5), *[0.4] * 45]),
    ],
)
def test_the_rate_climbs_to_its_peak_and_stays_or_falls_to_zero(config, expected):
    schedule = loop.build_schedule(OptimizerConfig(**config), 0.4, 10, 5)
    found = [float(schedule(step)) for step in range(len(expected))]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw", "sgd"])
def test_every_optimizer_takes_every_option_and_has_none_of_its_own(name):
    config = OptimizerConfig(name=name, weight_decay=0.1, clip_norm=1.0, ema=0.9)
    built = loop.build_optimizer(config, 0.01, 1, 1)
    assert type(built).__name__.lower() == name
    assert (built.weight_decay, built.global_clipnorm) == (0.1, 1.0)
    assert (built.use_ema, built.ema_momentum) == (True, 0.9)
    built = loop.build_optimizer(OptimizerConfig(name="adamw"), 0.01, 1, 1)
    assert (built.weight_decay, built.global_clipnorm, built.use_ema) == (0.0, None, False)
    assert loop.build_schedule(OptimizerConfig(), 0.3, 10, 7) == 0.3


@pytest.mark.parametrize(("every", "expected"), [(2, [0, 1, 3, 4]), (10, [0, 4])])
def test_images_for_tensorboard_are_written_every_few_epochs_and_in_the_first_and_last(
    tmp_path, every, expected, part
):
    layers = [keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((4, 4, 3)), *layers])
    model.compile(loss="binary_crossentropy")
    split = Split(np.zeros((9, 4, 4, 3), np.uint8), np.zeros((9, 1), np.float32))
    draw = part("image_classification").draw_samples
    callback = SampleImages(split, draw, tmp_path / "samples", every)
    model.fit(np.zeros((2, 4, 4, 3)), np.zeros((2, 1)), epochs=5, verbose=0, callbacks=[callback])
    steps = []
    for path in (tmp_path / "samples").glob("*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                assert value.tag == "predictions"
                # Width and height, then the images themselves.
                assert len(value.tensor.string_val) == 2 + SAMPLES
                steps.append(event.step)
    assert sorted(steps) == expected
