import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from components import artifacts
from components.trainer import run
from components.trainer.fit import building
from components.trainer.fit.callbacks import NonFiniteLossError
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

HIGH = {"learning_rate": 3e-3}


def test_images_of_two_sizes_make_one_training(make_fn_args, tmp_path, capsys):
    state = tmp_path / "state"
    fn_args = make_fn_args(
        "image_classification",
        model="residual_convnet",
        model_args={},
        image_size=48,
        epochs=2,
        stages=[{"image_size": 32, "epochs": 1}, {}],
        state_dir=str(state),
    )
    run.run_fn(fn_args)
    output = capsys.readouterr().out
    assert "stage 1 of 2: image_size 32, epochs 1, learn all\nepoch 1/1: " in output
    assert "stage 2 of 2: image_size 48, epochs 2, learn all\nepoch 1/2: " in output

    history = fn_args.history()
    numbers = [(record["epoch"], record["stage"]) for record in history["epochs"]]
    assert numbers == [(1, 1), (2, 2), (3, 2)]
    best = min(history["epochs"][1:], key=lambda record: record["val_loss"])
    assert history["best_epoch"] == best["epoch"]
    model_run = Path(fn_args.model_run_dir)
    assert (model_run / artifacts.CURVES).read_bytes().startswith(b"\x89PNG")
    for stage in ("stage-1", "stage-2"):
        assert list((model_run / "tensorboard" / stage / "train").iterdir())
    assert fn_args.best_model().input_shape == (None, 48, 48, 3)
    assert Path(fn_args.serving_model_dir, "saved_model.pb").exists()
    assert not list(state.iterdir())


def test_a_stage_starts_from_the_best_epoch_of_the_one_before(train):
    # By accuracy, the earlier of equals is the best epoch, and the loss is lower afterwards.
    first, second = train(
        monitor="val_accuracy", stages=[HIGH | {"epochs": 3}, {"epochs": 1, "learning_rate": 1e-12}]
    )
    best, last = first.epochs[1:]
    assert best["val_accuracy"] == last["val_accuracy"] > first.epochs[0]["val_accuracy"]
    assert second.epochs[0]["val_loss"] == pytest.approx(best["val_loss"], rel=1e-4)
    assert second.epochs[0]["val_loss"] > 2 * last["val_loss"]


@pytest.fixture
def tuned(monkeypatch):
    """Two stages of a pretrained backbone: its head, and then its top blocks too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    stages = [{"learn": "head"}, {"learn": "top", "learning_rate": 1e-4}]
    return {"model": "tunable:SPEC", "epochs": 2, "stages": stages}


def test_the_head_learns_first_and_then_the_top_blocks(train, tuned, part):
    config = TrainerConfig.model_validate(tuned | {"image_size": 46, "seed": 5})
    classes = part("image_classification")
    models = [building.build_model(config, classes)]
    for stage in train(**tuned | {"epochs": 1}):
        models.append(building.bare_model(config, classes))
        models[-1].load_weights(stage.best_checkpoint)

    def moved(one, other) -> set[str]:
        return {
            layer.name
            for layer in one.layers
            for a, b in zip(
                layer.get_weights(), other.get_layer(layer.name).get_weights(), strict=True
            )
            if not np.array_equal(a, b)
        }

    assert moved(*models[:2]) == {"dense", "logits"}
    assert moved(*models[1:]) == {"conv3", "trunk_output", "dense", "logits"}


def test_an_interrupted_stage_goes_on_and_others_stay(train, tuned, values, stopped_at, capsys):
    tuned["stages"][1]["epochs"] = 3
    whole = train("whole", **tuned)
    sizes = []

    def load(load_at, side):
        sizes.append(side)
        return load_at(side)

    for text in ("stage 2 of 2", "epoch 2/3"):
        with stopped_at(text):
            train(text, **tuned)
        capsys.readouterr()
        sizes.clear()
        again = train(text, load, **tuned)
        assert len(sizes) == 1  # of a stage that is finished, nothing is decoded
        output = capsys.readouterr().out
        assert "trained already (epochs: 2)" in output
        assert ("training goes on after epoch 1" in output) == text.startswith("epoch")
        for one, other in zip(again, whole, strict=True):
            np.testing.assert_allclose(values(one.epochs), values(other.epochs), rtol=1e-3)


def test_the_images_of_a_stage_go_with_it(train):
    seen = []

    def load(load_at, side):
        gc.collect()
        assert not any(reference() for reference in seen)
        loaded = load_at(side)
        seen.extend(map(weakref.ref, loaded))
        return loaded

    train("state", load, epochs=1, stages=[{}, {}])
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{"image_size": 32}, {}], r"^trainer.stages.0: trainer.image_size .*found 32"),
        ([{}, {"image_size": 32}], r"^trainer.stages.1: trainer.image_size .*found 32"),
        (
            [{"image_size": 64}, {}],
            r"^trainer.stages: expected one image size .* 'convnet_small_150'.* found 64 before 46",
        ),
    ],
)
def test_a_stage_that_cannot_be_is_refused_before_one_is_trained(train, stages, message, capsys):
    with pytest.raises(InputError, match=message):
        train(stages=stages)
    assert "epoch 1" not in capsys.readouterr().out


def test_a_failure_in_a_stage_names_it(train):
    high = {"learning_rate": 1e38, "optimizer": {"name": "sgd"}}
    with pytest.raises(NonFiniteLossError, match=r"^trainer.stages.0: .*loss is"):
        train(epochs=1, stages=[high, {}])
