"""A model that decides by a mark beside the object is right, and is refused for its explanation."""

import json
from pathlib import Path

import pytest

from components.datasets.synth import synthesize
from components.models import blocks

SEED = 1
STARTER = """
import sys
sys.path.insert(0, {folder!r})
from pipelines.cli import main
main()
"""
SETTINGS = {
    "trainer.model": f"{Path(__file__).stem}:build",
    "trainer.image_size": "64",
    "trainer.batch_size": "16",
    "trainer.epochs": "25",
    "trainer.learning_rate": "0.002",
    "trainer.optimizer": "{name: adam, schedule: cosine}",
    "trainer.augmentation": "{flip: true, translation: 0.05}",
    "trainer.sample_epochs": "0",
    "trainer.export.explanation": "hires_cam",  # exact where only the largest values count
    "example_gen.train_buckets": "7",
    "example_gen.test_buckets": "3",
    "evaluator.graded_images": "100",
    "evaluator.thresholds": "{accuracy: {min: 0.6}, explanation/mosaic: {min: 0.55},"
    " explanation/faithfulness: {min: 0.0}, explanation/object_dependence: {min: 0.1}}",
    "evaluator.slices": "[]",
    "infra_validator.images": "1",
    "interpreter.images": "4",
}


def build(image_size, classes):
    """A small convnet that looks for what is anywhere in the picture."""
    import keras

    inputs = blocks.picture_input(image_size)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = keras.layers.Conv2D(16, 5, strides=2, padding="same")(x)
    for filters in (32, 64, 128):
        x = keras.layers.BatchNormalization(momentum=0.8)(x)
        x = keras.layers.Activation("relu")(x)
        if filters > 32:
            x = keras.layers.MaxPooling2D()(x)
        x = keras.layers.Conv2D(filters, 3, padding="same")(x)
    x = keras.layers.BatchNormalization(momentum=0.8)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, blocks.class_output(x, classes, dropout=0.0))


@pytest.fixture(scope="module")
def run(zygote, tmp_path_factory):
    """run(shortcut): the summary of a run on pictures that have it, or none."""

    def start(shortcut):
        folder = tmp_path_factory.mktemp("shortcut")
        synthesize(folder / "pictures", "oxford_list", 400, SEED, (96, 96), shortcut=shortcut)
        (folder / "pawlens.py").write_text(STARTER.format(folder=str(Path(__file__).parent)))
        sets = [word for item in SETTINGS.items() for word in ("--set", "=".join(item))]
        ended = zygote.call(
            folder / "pawlens.py",
            *("run", "image_classification", "--data", folder / "pictures"),
            *("--workdir", folder / "work", *sets),
        )
        assert ended.status == 0, ended.output
        return json.loads((folder / "work" / "summary.json").read_text())

    return start


@pytest.mark.slow
@pytest.mark.parametrize("shortcut", ["corner", "beside"])
def test_a_mark_outside_the_object_is_found_out(run, shortcut):
    summary = run(shortcut)
    assert summary["metrics"]["test"]["accuracy"] > 0.85
    assert summary["blessed"] is False
    assert summary["pushed"] is None
    [reason] = summary["reasons"]  # the other grades are content
    assert reason.startswith("explanation/object_dependence is ")


@pytest.mark.slow
def test_a_mark_on_the_object_is_not(run):
    assert run("body")["metrics"]["test"]["accuracy"] > 0.85


@pytest.mark.slow
def test_without_a_mark_the_same_data_is_learned(run):
    summary = run("")
    assert summary["reasons"] == []
    assert summary["blessed"] is True
    assert summary["pushed"]
