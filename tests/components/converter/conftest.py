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
from serving.classes import Classes

SIDE = 16


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


CLASSES = {
    "image_classification": Classes(("cat", "dog", "owl")),
    "image_segmentation": Classes(("a", "b", "c"), ((0, 0, 0), (9, 9, 9), (99, 9, 9)), 255),
}


def tiny_model(task: str) -> Any:
    """A convolution, and what each task ends with; every class is predicted somewhere.

    The layers have the names that those of the architectures have.
    """
    import keras

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


def images_of(task: str, count: int) -> list[dict[str, Any]]:
    """`image` (uint8) and `truth` (a class, or class ids of every pixel), some of them ignored."""
    rng = np.random.default_rng(5)
    made = []
    for number in range(count):
        image = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        mask = rng.choice([0, 1, 2, 255], (SIDE, SIDE)).astype(np.uint8)
        truth = number % 3 if task == "image_classification" else mask
        made.append({"image": image, "truth": truth})
    return made


def record(one: dict[str, Any]) -> bytes:
    import tensorflow as tf

    def encoded(pixels: np.ndarray) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[png(pixels)]))

    feature = {features.IMAGE: encoded(one["image"])}
    if isinstance(one["truth"], int):
        label = tf.train.Int64List(value=[one["truth"]])
        feature[features.LABEL] = tf.train.Feature(int64_list=label)
    else:
        feature[features.MASK] = encoded(one["truth"])
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@dataclass
class Step:
    """The step's inputs in a folder, and what it wrote."""

    folder: Path
    task: str
    model: Any
    records: list[dict[str, Any]]

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
                "task": self.task,
                "config": ConverterConfig.model_validate(settings).model_dump_json(),
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
        return np.stack([one["image"] for one in self.records]).astype(np.float32)


@pytest.fixture
def make_step(tmp_path: Path) -> Callable[..., Step]:
    """make_step(task, count=20): a checkpoint and a test split of `count` images.

    With `test_time_flip=True` the model was exported so.
    """

    def make(task: str, count: int = 20, test_time_flip: bool = False) -> Step:
        import tensorflow as tf

        from components.datasets.examples import write_classes

        step = Step(tmp_path, task, tiny_model(task), images_of(task, count))
        (tmp_path / "run").mkdir()
        step.model.save(tmp_path / "run" / artifacts.BEST_CHECKPOINT)
        # An architecture whose layers have those names.
        name = {"image_classification": "mini_xception"}.get(task, "xception_unet")
        history = {"model": name, "test_time_flip": test_time_flip}
        (tmp_path / "run" / artifacts.HISTORY).write_text(json.dumps(history))
        write_classes(str(tmp_path / "examples"), CLASSES[task])
        split = tmp_path / "examples" / "Split-test"
        split.mkdir()
        path = split / "data_tfrecord-00000-of-00001.gz"
        with tf.io.TFRecordWriter(str(path), options="GZIP") as writer:
            for one in step.records:
                writer.write(record(one))
        return step

    return make
