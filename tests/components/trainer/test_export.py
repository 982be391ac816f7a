import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components import artifacts
from components.explanations.cutting import split_model
from components.explanations.methods import grad_cam, heatmaps
from components.preprocessing import decode_images
from components.trainer import run
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import building, loop
from components.trainer.records.state import TrainingState
from components.trainer.settings import TrainerConfig
from serving import names
from serving.errors import InputError

RESIDUAL = {"model": "residual_convnet", "model_args": {}}
# A picture and its mirror image.
PIXELS = np.random.default_rng(3).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
PIXELS = np.concatenate([PIXELS, PIXELS[:, :, ::-1]])


def served(fn_args):
    """What the exported model answers for PIXELS."""
    pictures = tf.stack([tf.io.encode_png(each) for each in PIXELS])
    loaded = tf.saved_model.load(fn_args.serving_model_dir)
    answer = loaded.signatures[names.SIGNATURE_SERVING](image_bytes=pictures)
    return answer[names.OUTPUT_PROBABILITIES].numpy()


def test_a_layer_that_cannot_be_explained_is_refused_before_the_training(make_fn_args):
    # Keras makes up such names, with another number in every build.
    keras.backend.clear_session()  # the first build has the lowest numbers
    kind = {"model": "xception", "model_args": {}, "image_size": 71}
    fn_args = make_fn_args("image_classification", **kind, export={"grad_cam_layer": "conv2d_1"})
    told = r"trainer\.export\.grad_cam_layer: .*does not have; the nearest: 'conv2d_\d+'"
    with pytest.raises(InputError, match=told):
        run.run_fn(fn_args)
    assert not Path(fn_args.serving_model_dir).exists()


def test_the_layer_asked_for_is_explained(make_fn_args):
    layer = "block2_conv_b"  # a residual sum leads round it
    explained = {"epochs": 1, "export": {"grad_cam_layer": layer}}
    fn_args = make_fn_args("image_classification", **RESIDUAL, **explained)
    run.run_fn(fn_args)
    picture = tf.io.encode_png(PIXELS[0])[None]
    loaded = tf.saved_model.load(fn_args.serving_model_dir)
    explain = loaded.signatures[names.SIGNATURE_GRAD_CAM]
    answer = explain(image_bytes=picture, class_index=tf.constant([1]))
    best = fn_args.best_model()

    def expected(name):
        halves = split_model(best, name, "logits")
        maps, _ = grad_cam(*halves, decode_images(picture, 32), lambda logits, _: logits[:, 0])
        return heatmaps(maps, (32, 32))

    heatmap = answer[names.OUTPUT_HEATMAP].numpy()
    np.testing.assert_allclose(heatmap, expected(layer).numpy(), atol=1e-4)
    assert np.abs(heatmap - expected("trunk_output").numpy()).max() > 0.1


@pytest.fixture(scope="module")
def first(fn_args_in, tmp_path_factory):
    """A training that is done, whose weights others take as they are."""
    fn_args = fn_args_in(tmp_path_factory.mktemp("first"), "image_classification", **RESIDUAL)
    run.run_fn(fn_args)
    return fn_args


def test_weights_of_a_file_are_exported_as_they_are(first, make_fn_args, tmp_path, capsys):
    """Trained elsewhere, in this case by a run before; and answering for the mirror image too."""
    weights = Path(first.model_run_dir, artifacts.BEST_CHECKPOINT)
    trained = first.history()
    best = trained["epochs"][trained["best_epoch"] - 1]
    capsys.readouterr()

    fn_args = make_fn_args(
        "image_classification",
        execution=2,
        state_dir=str(tmp_path / "state"),
        **RESIDUAL,
        epochs=0,
        weights=str(weights),
        precision="mixed_bfloat16",
        loss={"class_weights": "balanced"},
        export={"test_time_flip": True},
    )
    run.run_fn(fn_args)
    history = fn_args.history()
    (record,) = history["epochs"]
    assert (history["best_epoch"], record["epoch"]) == (0, 0)
    assert history["test_time_flip"] and not trained["test_time_flip"]
    assert list(record) == ["epoch", "seconds", "loss", "accuracy", "val_loss", "val_accuracy"]
    for name in ("val_loss", "val_accuracy"):
        assert record[name] == pytest.approx(best[name], rel=0.03)  # bfloat16
    assert f"the weights as they are: {record['seconds']:.1f} s, loss" in capsys.readouterr().out
    assert not list((tmp_path / "state").iterdir())

    model, other = first.best_model(), fn_args.best_model()
    for one, same in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)
    one, mirrored = served(fn_args)[:, 1]
    plain = model.predict(PIXELS, verbose=0)[:, 1]
    mean = np.log(plain / (1 - plain)).mean()
    np.testing.assert_allclose([one, mirrored], 1 / (1 + np.exp(-mean)), atol=1e-5)
    assert abs(plain[0] - plain[1]) > 1e-3


def test_what_is_exported_and_kept_has_the_temperature_of_the_eval_split(first, make_fn_args):
    weights = Path(first.model_run_dir, artifacts.BEST_CHECKPOINT)
    as_they_are = {"epochs": 0, "weights": str(weights), "export": {"temperature_scaling": True}}
    second = make_fn_args("image_classification", execution=2, **RESIDUAL, **as_they_are)
    run.run_fn(second)
    history = second.history()
    assert abs(history["temperature"] - 1) > 0.05
    before, after = (each.best_model().predict(PIXELS, verbose=0) for each in (first, second))
    odds, scaled = (np.log(each[:, 1] / each[:, 0]) for each in (before, after))
    np.testing.assert_allclose(scaled, odds / history["temperature"], rtol=1e-3)
    np.testing.assert_allclose(served(second), after, atol=1e-5)


@pytest.mark.parametrize("broken", [0, 1])
def test_both_losses_have_to_be_finite(splits, load, part, tmp_path, broken):
    """Images of one split alone may overflow; here their targets stand for that."""
    config = TrainerConfig(
        model="residual_convnet", image_size=32, epochs=0, weights=str(tmp_path / "a.weights.h5")
    )
    classes = part("image_classification")
    model = classes.trainee(building.bare_model(config, classes))
    given = [load(files, name) for files, name in zip(splits, ("train", "eval"), strict=True)]
    nothing = np.full_like(given[broken].targets, np.nan)
    given[broken] = dataclasses.replace(given[broken], targets=nothing)
    name = ("loss", "val_loss")[broken]
    with pytest.raises(InputError, match=rf"^trainer\.weights: .* found the {name} nan with those"):
        loop.fit(
            model,
            *given,
            part=classes,
            config=config,
            progress=TrainingState(tmp_path / "state"),
            distribution=Distribution(),
        )
    assert not list((tmp_path / "state").iterdir())
