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

from components import artifacts, features

SIDE = 16


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def tiny_model(problem: str) -> Any:
    """A convolution, and what each problem ends with; every class is predicted somewhere.

    The layers have the names that those of the architectures have.
    """
    import keras

    keras.utils.set_random_seed(4)
    inputs = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    # Quantization passes over layers with fewer than 1024 weights.
    x = keras.layers.Conv2D(64, 3, padding="same", activation="relu", name="trunk_output")(x)
    if problem == "classification":
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dense(1, kernel_initializer="he_normal", name="logits")(x)
        x = keras.layers.Activation("sigmoid")(x)
    else:
        x = keras.layers.Conv2D(3, 1, kernel_initializer="he_normal", name="logits")(x)
        x = keras.layers.Activation("softmax")(x)
    return keras.Model(inputs, x)


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

    With `test_time_flip=True` the model was exported so.
    """

    def make(problem: str, count: int = 20, test_time_flip: bool = False) -> Step:
        import tensorflow as tf

        step = Step(tmp_path, problem, tiny_model(problem), pictures(problem, count))
        (tmp_path / "run").mkdir()
        step.model.save(tmp_path / "run" / artifacts.BEST_CHECKPOINT)
        # An architecture whose layers have those names.
        name = {"classification": "mini_xception", "segmentation": "xception_unet"}[problem]
        history = {"model": name, "test_time_flip": test_time_flip}
        (tmp_path / "run" / artifacts.HISTORY).write_text(json.dumps(history))
        split = tmp_path / "examples" / "Split-test"
        split.mkdir(parents=True)
        path = split / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
            for picture in step.pictures:
                writer.write(record(picture))
        return step

    return make
