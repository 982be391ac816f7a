import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tfx.types import standard_artifacts

from components import artifacts, features
from components.converter import Converter
from components.converter.settings import ConverterConfig
from serving.classes import Classes

SIDE = 16


CLASSES = {
    "image_classification": Classes(("cat", "dog", "owl")),
    "image_segmentation": Classes(("a", "b", "c"), ((0, 0, 0), (9, 9, 9), (99, 9, 9)), 255),
}


def tiny_model(task: str) -> Any:
    """A convolution and a head, in layers named as those of the architectures."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    # Quantization passes over layers with fewer than 1024 weights.
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="trunk_output")(x)
    if task == "image_classification":
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dense(3, kernel_initializer="he_normal", name="logits")(x)
    else:
        x = keras.layers.Conv2D(3, 1, kernel_initializer="he_normal", name="logits")(x)
    return keras.Model(inputs, keras.layers.Activation("softmax", name="probabilities")(x))


def examples_of(task: str, count: int) -> list[dict[str, Any]]:
    """Images with a class, or with class ids of every pixel, some of them ignored."""
    rng = np.random.default_rng(5)
    made = []
    for number in range(count):
        image = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = rng.choice([0, 1, 2, 255], (SIDE, SIDE)).astype(np.uint8)
        truth = {features.MASK: mask} if "segmentation" in task else {features.LABEL: number % 3}
        made.append({features.IMAGE: image} | truth)
    return made


@dataclass
class Step:
    """The step's inputs in a folder, and what it wrote."""

    folder: Path
    task: str
    model: Any
    images: np.ndarray  # float32 [image, side, side, 3]
    truth: np.ndarray
    inputs: dict[str, Any]  # artifacts
    run_step: Any

    def run(self, **settings: Any) -> dict[str, Any]:
        """Runs the executor on real artifacts; returns the comparison."""
        config = ConverterConfig.model_validate(settings)
        self.run_step(Converter, self.folder, self.inputs, task=self.task, config=config)
        return self.comparison()

    @property
    def output(self) -> Path:
        return self.folder / "conversions"

    def comparison(self) -> dict[str, Any]:
        return json.loads((self.output / artifacts.COMPARISON).read_text())


@pytest.fixture
def make_step(tmp_path, write_examples, make_artifact, run_step):
    """make_step(task, count=20): a checkpoint, exported so, and a test split of `count` images."""

    def make(task: str, count: int = 20, test_time_flip: bool = False) -> Step:
        model, examples = tiny_model(task), examples_of(task, count)
        (tmp_path / "run").mkdir()
        model.save(tmp_path / "run" / artifacts.BEST_CHECKPOINT)
        # An architecture whose layers have those names.
        name = {"image_classification": "mini_xception"}.get(task, "xception_unet")
        history = {"model": name, "test_time_flip": test_time_flip}
        (tmp_path / "run" / artifacts.HISTORY).write_text(json.dumps(history))
        inputs = {
            "examples": write_examples(tmp_path / "examples", {"test": examples}, CLASSES[task]),
            "model_run": make_artifact(standard_artifacts.ModelRun, tmp_path / "run"),
        }
        key = features.LABEL if task == "image_classification" else features.MASK
        images, truth = (np.array([one[k] for one in examples]) for k in (features.IMAGE, key))
        return Step(tmp_path, task, model, images.astype(np.float32), truth, inputs, run_step)

    return make
