"""A model that decides by a mark beside the object is right, and is refused for its explanation."""

import json
from pathlib import Path

import pytest

from components.datasets.synth import synthesize
from components.explanations import MASKED
from components.models import blocks

HERE = Path(__file__)
SETTINGS = {
    "trainer.model": f"{HERE.stem}:build",
    "trainer.image_size": "64",
    "trainer.batch_size": "16",
    "trainer.epochs": "12",
    "trainer.learning_rate": "0.002",
    "trainer.optimizer": "{name: adam, schedule: cosine}",
    "trainer.augmentation": "{flip: true, translation: 0.05}",
    "trainer.export.explanation": "hires_cam",  # exact where only the largest values count
    "example_gen.train_buckets": "7",
    "example_gen.test_buckets": "3",
    "evaluator.graded_images": "50",
    "evaluator.thresholds": "{accuracy: {min: 0.6}, explanation/faithfulness: {min: 0.0},"
    " explanation/energy_above_area: {min: 0.0}, explanation/object_dependence: {min: 0.1}}",
    "infra_validator.images": "1",
    "interpreter.images": "4",
}


def build(image_size, classes):
    """A small convnet that looks for what is anywhere in the picture."""
    import keras

    style = blocks.ConvStyle(momentum=0.8)  # a few hundred steps
    x = inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    for filters in (16, 32, 64, 128):
        if filters > 32:
            x = keras.layers.MaxPooling2D()(x)
        kernel, strides = (5, 2) if filters == 16 else (3, 1)
        x = keras.layers.Conv2D(filters, kernel, strides=strides, padding="same")(x)
        x = blocks.batch_norm_relu(x, style=style, name=f"block{filters}", part="a")
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, blocks.class_output(x, classes, dropout=0.0))


@pytest.fixture
def run(pawlens_beside, tmp_path):
    """run(shortcut): the summary of a run on pictures that have it, or none."""

    def start(shortcut):
        synthesize(tmp_path / "pictures", "oxford_list", 400, 1, (96, 96), shortcut=shortcut)
        words = ["run", "image_classification", "--data", tmp_path / "pictures"]
        words += [word for item in SETTINGS.items() for word in ("--set", "=".join(item))]
        pawlens_beside(HERE.parent)(*words, "--workdir", tmp_path / "work")
        return json.loads((tmp_path / "work" / "summary.json").read_text())

    return start


@pytest.mark.slow
@pytest.mark.parametrize("shortcut", ["corner", "beside"])
def test_a_mark_outside_the_object_is_found_out(run, shortcut):
    summary = run(shortcut)
    assert summary["metrics"]["test"]["accuracy"] > 0.85
    assert summary["blessed"] is False
    assert summary["pushed"] is None
    failed = {reason.split()[0] for reason in summary["reasons"]}
    assert failed == set(MASKED)  # the map names what decides, so faithfulness is content


@pytest.mark.slow
def test_a_mark_on_the_object_is_learned_too(run):
    assert run("body")["metrics"]["test"]["accuracy"] > 0.85


@pytest.mark.slow
def test_without_a_mark_the_same_data_is_learned(run):
    summary = run("")
    assert summary["reasons"] == []
    assert summary["pushed"]
