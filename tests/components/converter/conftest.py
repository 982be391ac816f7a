"""Tiny models with random weights, tiny Examples, and the step run on them."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components import artifacts, features, models

SIDE = 32


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tiny_model(problem: str) -> Any:
    """A convolution, and what each problem ends with; every class is predicted somewhere."""
    import keras

    keras.utils.set_random_seed(4)
    inputs = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    # Quantization passes over layers with fewer than 1024 weights.
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    if problem == "classification":
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dense(1, activation="sigmoid", kernel_initializer="he_normal")(x)
    else:
        x = keras.layers.Conv2D(3, 1, activation="softmax", kernel_initializer="he_normal")(x)
    return keras.Model(inputs, x)


def telling_model(name: str) -> Any:
    """An architecture with fresh weights whose logits differ by about 1, not by next to nothing."""
    import keras

    keras.utils.set_random_seed(4)
    model = models.build(name, SIDE)
    layer = model.get_layer(models.spec(name).logits_layer)
    noise = np.random.default_rng(6).uniform(0, 255, (4, SIDE, SIDE, 3)).astype(np.float32)
    spread = np.std(keras.Model(model.input, layer.output).predict(noise, verbose=0))
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel / spread, bias])
    return model


def pictures(problem: str, count: int) -> list[dict[str, Any]]:
    """`image` (uint8) and `truth` (a class, or class ids of every pixel) of some pictures."""
    rng = np.random.default_rng(5)
    made = []
    for number in range(count):
        image = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = rng.integers(0, 3, (SIDE, SIDE)).astype(np.uint8)
        made.append({"image": image, "truth": number % 2 if problem == "classification" else mask})
    return made


def record(picture: dict[str, Any]) -> bytes:
    import tensorflow as tf

    values: dict[str, Any] = {features.IMAGE: [png(picture["image"])]}
    if isinstance(picture["truth"], int):
        values[features.LABEL_NAME] = [features.CLASS_NAMES[picture["truth"]].encode()]
    else:
        values[features.MASK] = [png(picture["truth"])]
    feature = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        for key, value in values.items()
    }
    for key in (features.WIDTH, features.HEIGHT):
        feature[key] = tf.train.Feature(int64_list=tf.train.Int64List(value=[SIDE]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@dataclass
class Step:
    """The step's inputs in a folder, and what it wrote."""

    folder: Path
    problem: str
    model: Any
    pictures: list[dict[str, Any]]

    def run(self, **settings: Any) -> dict[str, Any]:
        """Runs the executor on real artifacts; returns the comparison."""
        from tfx.types import artifact_utils, standard_artifacts

        from components.converter.executor import Executor
        from components.converter.settings import ConverterConfig

        examples = standard_artifacts.Examples()
        examples.uri = str(self.folder / "examples")
        examples.split_names = artifact_utils.encode_split_names(["test"])
        model_run = standard_artifacts.ModelRun()
        model_run.uri = str(self.folder / "run")
        conversions = artifacts.Conversions()
        conversions.uri = str(self.output)
        Executor().Do(
            {"examples": [examples], "model_run": [model_run]},
            {"conversions": [conversions]},
            {
                "problem": self.problem,
                "settings": ConverterConfig.model_validate(settings).model_dump_json(),
            },
        )
        return self.comparison()

    @property
    def output(self) -> Path:
        return self.folder / "conversions"

    def comparison(self) -> dict[str, Any]:
        return json.loads((self.output / artifacts.COMPARISON).read_text())

    @property
    def images(self) -> np.ndarray:
        return np.stack([one["image"] for one in self.pictures]).astype(np.float32)


@pytest.fixture
def make_step(tmp_path: Path) -> Callable[..., Step]:
    """make_step(problem, count=20): a checkpoint and a test split of `count` pictures.

    `flipped` names an architecture to take, exported with test-time augmentation.
    """

    def make(problem: str, count: int = 20, flipped: str = "") -> Step:
        import tensorflow as tf

        model = telling_model(flipped) if flipped else tiny_model(problem)
        step = Step(tmp_path, problem, model, pictures(problem, count))
        (tmp_path / "run").mkdir()
        step.model.save(tmp_path / "run" / artifacts.BEST_CHECKPOINT)
        history = {"model": flipped, "test_time_flip": bool(flipped)}
        (tmp_path / "run" / artifacts.HISTORY).write_text(json.dumps(history))
        split = tmp_path / "examples" / "Split-test"
        split.mkdir(parents=True)
        path = split / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
            for picture in step.pictures:
                writer.write(record(picture))
        return step

    return make
