import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from typer.testing import CliRunner

from components import models
from components.explanations import load_explanation, looking
from components.explanations.filters import Ascent
from components.explanations.opening import class_names, open_model, read_image
from pipelines.cli_visualize import visualize_app
from serving.errors import InputError
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE, MODEL_FILE

SIDE = 48


@pytest.fixture(scope="module")
def places(export_as, tmp_path_factory):
    """One model as a pushed version, in a work directory, and as a Keras file."""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(2)
    model = models.build("mini_xception", SIDE, 3)
    model.get_layer("logits").bias.assign([0.3, -0.1, 0.2])
    model.save(folder / "best.keras")
    options = {"explanation": "hires_cam", "explanation_flip": True}
    options["explain"] = load_explanation("hires_cam", flip=True)
    for number, classes in ((9, "xyz"), (10, "abc")):  # of two runs, the last
        exported = folder / f"work/artifacts/trainer/model/{number}/Format-Serving"
        spec = models.spec("mini_xception")
        export_as("image_classification", spec, model, exported, *classes, **options)
    shutil.copytree(exported, folder / "work/artifacts/trainer/model/old/Format-Serving")
    return {"version": exported, "work": folder / "work", "keras": folder / "best.keras"}


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "an image.png"
    pixels = np.random.default_rng(1).integers(0, 256, (30, 50, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("kind", ["version", "work", "keras"])
def test_the_same_model_from_wherever_it_lies(places, kind):
    opened = open_model(str(places[kind]))
    original = keras.models.load_model(places["keras"])
    pixels = np.random.default_rng(0).uniform(0, 255, (2, SIDE, SIDE, 3)).astype(np.float32)
    expected = original.predict(pixels, verbose=0)
    np.testing.assert_allclose(opened.model.predict(pixels, verbose=0), expected, atol=1e-6)
    assert (opened.side, opened.value_range, opened.logits) == (SIDE, 255.0, "logits")
    if kind != "keras":
        assert opened.classes == ("a", "b", "c")
        assert (opened.explained, opened.explanation) == ("trunk_output", "hires_cam")


def nested():
    """Two models with a layer of the same name, the first with what it makes of its weights."""
    normal = keras.layers.Normalization()
    normal.adapt(np.random.default_rng(5).uniform(0, 9, (4, 16, 16, 3)))
    inputs = keras.Input((16, 16, 3))
    x = normal(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.Conv2D(8, 3, activation="relu", name="out")(x)
    first = keras.Model(inputs, 2.0 * keras.ops.flip(x, axis=1) + 0.5)
    return [first, keras.Sequential([keras.layers.Conv2D(8, 1, name="out")])]


@pytest.mark.parametrize(
    ("before", "head"),
    [
        (list, lambda: [keras.layers.Dense(1, "sigmoid")]),
        (list, lambda: [keras.layers.Dense(4, "softmax", name="logits")]),
        (list, lambda: [keras.layers.Dense(4), keras.layers.Softmax()]),
        (list, lambda: [keras.layers.Dense(4), keras.layers.Activation("softmax")]),
        (nested, lambda: [keras.layers.Dense(4, "softmax", name="out")]),
    ],
)
def test_a_model_of_other_making_is_looked_into(tmp_path, image, before, head):
    keras.utils.set_random_seed(6)
    convolution = keras.layers.Conv2D(4, 3, name="letzte, schöne")
    theirs = keras.Sequential([*before(), convolution, keras.layers.Flatten(), *head()])
    pixels = np.random.default_rng(0).uniform(0, 1, (2, 16, 16, 3)).astype(np.float32)
    expected = theirs(pixels).numpy()
    theirs.save(tmp_path / "theirs.keras")
    opened = open_model(str(tmp_path / "theirs.keras"))
    if expected.shape[1] == 1:
        expected = np.concatenate([1 - expected, expected], axis=1)
    np.testing.assert_allclose(opened.model.predict(pixels, verbose=0), expected, atol=1e-6)
    inside = before == nested
    assert opened.value_range == (255.0 if inside else 1.0)  # one of its layers rescales
    drawn = looking.draw_activations(opened, image, tmp_path)
    assert len(drawn) == (4 if inside else 1)  # three convolutions and what they tell by depth
    looking.draw_filters(opened, "letzte, schöne", tmp_path, how=Ascent(steps=1))
    heat, _ = looking.draw_class_activation(opened, [image], tmp_path, layer="letzte, schöne")
    assert np.asarray(Image.open(heat)).max() == 255
    with pytest.raises(InputError, match="0 to 3"):  # the layers before have 8
        looking.draw_activations(opened, image, tmp_path / "none", channel=5)
    assert not (tmp_path / "none").exists()


def test_activations_are_drawn_for_each_layer(places, image, tmp_path, capsys):
    written = looking.draw_activations(open_model(str(places["version"])), image, tmp_path)
    assert all(path.exists() for path in written)
    assert written[0].name == "an_image_01_stem.png"
    assert written[-1].name == "an_image_depth.png"
    grid = Image.open(written[0])
    assert grid.size == (16 * (44 + 1) - 1, 2 * (44 + 1) - 1)  # 32 channels of 44 x 44
    # 512 channels of 2 x 2, each cell as 24 x 24 pixels.
    assert Image.open(written[-2]).size == (16 * (48 + 1) - 1, 32 * (48 + 1) - 1)
    assert "stem: 32 channels of 44 x 44, 0 dead" in capsys.readouterr().out
    opened = open_model(str(places["version"]))
    (alone,) = looking.draw_activations(opened, image, tmp_path, layer="stem", channel=17)
    ours = np.asarray(Image.open(alone))
    np.testing.assert_array_equal(ours, np.asarray(grid)[45:, 45 : 45 + 44])


def test_patterns_are_drawn_eight_in_a_row(places, tmp_path):
    opened, how = open_model(str(places["keras"])), Ascent(steps=2, value_range=255.0)
    (path,) = looking.draw_filters(opened, "stem", tmp_path, chosen=range(10), how=how)
    tile = SIDE - 2 * (SIDE // 8)
    assert Image.open(path).size == (8 * (tile + 1) - 1, 2 * (tile + 1) - 1)


def test_what_the_command_draws_is_what_the_endpoint_answers(places, image, tmp_path):
    opened = open_model(str(places["work"]))
    written = looking.draw_class_activation(opened, [image], tmp_path, classes=[2, 0])
    names = [path.name for path in written]
    assert names == [
        *(f"an_image_{name}_{what}.png" for name in "ca" for what in ("heatmap", "overlay")),
        "an_image_classes.png",
    ]
    loaded = tf.saved_model.load(str(places["version"]))
    answer = loaded.signatures["grad_cam"](
        image_bytes=tf.constant([image.read_bytes()]), class_index=tf.constant([2])
    )
    heat = np.asarray(Image.open(written[0])) / 255
    assert heat.max() == 1
    np.testing.assert_allclose(heat, answer["heatmap"].numpy()[0], atol=1 / 254)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda o, i, t: looking.draw_activations(o, i, t, layer="stemm"), "the nearest: 'stem'"),
        (lambda o, i, t: looking.draw_activations(o, i, t, layer="stem", channel=32), "0 to 31"),
        (lambda o, i, t: looking.draw_filters(o, "stem", t, chosen=[40], how=Ascent()), "0 to 31"),
        (lambda o, i, t: looking.draw_class_activation(o, [i], t, layer="logits"), "--layer"),
        (lambda o, i, t: looking.draw_class_activation(o, [i], t, method="gradcam"), "grad_cam"),
        (lambda o, i, t: looking.draw_class_activation(o, [i, t], t), "expected a JPEG, PNG"),
        (lambda o, i, t: looking.draw_filters(o, "stem", i, how=Ascent()), "--output: expected"),
        (lambda o, i, t: looking.draw_class_activation(o, [i], t, colors="jett"), "mean 'jet'"),
        (lambda o, i, t: looking.class_indices(o, ["3"]), "0 to 2 or a name, found '3'"),
        (lambda o, i, t: open_model(str(t)), "expected the folder of a pushed version"),
        (lambda o, i, t: open_model("xception", weights=str(t)), "--weights"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_nothing_is_written(places, image, tmp_path, call, told):
    with pytest.raises(InputError, match=told):
        call(open_model(str(places["version"])), image, tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_of_imagenet_come_from_a_local_file(tmp_path):
    path = tmp_path / "imagenet_class_index.json"
    path.write_text(json.dumps({"0": ["n01", "tench"], "1": ["n02", "goldfish"]}))
    assert class_names(path, 2) == ("tench", "goldfish")
    with pytest.raises(InputError, match="expected 3 classes, found 2"):
        class_names(path, 3)
    path.write_text("[1]")
    with pytest.raises(InputError, match="n01440764"):
        class_names(path, 2)


def test_masks_are_explained_as_their_endpoint_does(export_as, image, tmp_path):
    keras.utils.set_random_seed(4)
    model = models.build("segmentation_convnet", 32, 3)
    spec = models.spec("segmentation_convnet")
    export_as("image_segmentation", spec, model, tmp_path / "1", "a", "b", "c")
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["grad_cam"]
    picture = tf.constant([image.read_bytes()])
    answers = [signature(image_bytes=picture, class_index=tf.constant([k])) for k in range(3)]
    heats = [answer["heatmap"].numpy()[0] for answer in answers]
    assert max(heat.max() for heat in heats) == 1  # some class has pixels
    written = looking.draw_class_activation(
        open_model(str(tmp_path / "1")), [image], tmp_path / "out", classes=[0, 1, 2]
    )
    for heat, path in zip(heats, written[::2], strict=False):
        seen = np.asarray(Image.open(path)) / 255
        np.testing.assert_allclose(seen, heat, atol=1 / 254)


def test_a_model_without_a_map_before_its_answer_is_told(image, tmp_path):
    opened = open_model(str(saved(tmp_path / "flat.keras")))
    with pytest.raises(InputError, match=r"--layer: expected a layer with an output.*found none"):
        looking.draw_class_activation(opened, [image], tmp_path)
    with pytest.raises(InputError, match=r"flat.keras: expected a layer that convolves or pools"):
        looking.draw_activations(opened, image, tmp_path)


def test_no_file_is_written_twice_in_one_call(places, image, tmp_path):
    opened = open_model(str(places["version"]))
    opened = dataclasses.replace(opened, classes=("a/b", "a b", "ü" * 300))
    written = looking.draw_class_activation(opened, [image] * 2, tmp_path, classes=[0, 1, 2])
    assert len(written) == 2 * (3 * 2 + 1)
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert written[2].name == "an_image_a_b_heatmap_2.png"


class Own(keras.layers.Identity):
    __module__ = "theirs.layers"  # which is not there when the model is opened


def saved(path, *layers, shape=(16, 16, 3), built=True):
    head = [*layers, keras.layers.Flatten(), keras.layers.Dense(2, "softmax")]
    keras.Sequential([keras.Input(shape), *head] if built else head).save(path)
    return path


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: saved(path, shape=(8, 8, 1)), r"square pictures.*\(None, 8, 8, 1\)"),
        (lambda path: saved(path, shape=(8, 4, 3)), r"square pictures.*\(None, 8, 4, 3\)"),
        (lambda path: saved(path, Own()), "class 'Own'.*'module': 'theirs.layers'"),
        (lambda path: saved(path, built=False), "never built"),
        (lambda p: p.write_bytes(saved(p).read_bytes().replace(b"PK\3\4", b"PK")), "BadZipFile"),
    ],
)
def test_a_file_that_cannot_be_opened_is_told_in_a_line(tmp_path, make, told):
    make(tmp_path / "theirs.keras")
    with pytest.raises(InputError, match=told):
        open_model(str(tmp_path / "theirs.keras"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("{", ""), "JSONDecodeError"),
        (('"logits"', '"logit"'), "'logit'"),
        (('"hires_cam"', '"nothing:at_all"'), "nothing:at_all"),
        (("", ""), "No such file"),
    ],
)
def test_a_damaged_version_is_told_by_its_file(places, image, tmp_path, change, told):
    shutil.copytree(places["version"], tmp_path / "1")
    described = tmp_path / "1" / ASSETS_EXTRA / MODEL_FILE
    described.write_text(described.read_text().replace(*change))
    if told == "No such file":
        (described.parent / MODEL_CLASSES_FILE).unlink()
    with pytest.raises(InputError, match=told) as caught:
        looking.draw_class_activation(open_model(str(tmp_path / "1")), [image], tmp_path / "out")
    assert str(described) in str(caught.value)


@pytest.mark.parametrize(("told", "white"), [((), 1), (("--value-range", "255"), 255)])
def test_the_range_of_pixels_is_told_or_asked_for(image, tmp_path, told, white):
    keras.utils.set_random_seed(7)
    path = saved(tmp_path / "theirs.keras", keras.layers.Conv2D(2, 3))
    pixels = read_image(image, 16)[None] * (white / 255)
    expected = keras.models.load_model(path).predict(pixels, verbose=0).max()
    words = ["grad-cam", str(path), str(image), "--output", str(tmp_path), *told]
    result = CliRunner().invoke(visualize_app, words)
    assert f"{expected:.3f}" in result.stdout
    assert ("assumed is 0 to 1;" in result.stderr) == (not told)
