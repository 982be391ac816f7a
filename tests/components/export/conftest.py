from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from components import features as f
from components import models
from components.preprocessing import decode_images
from serving import names

SIDE = 64
# By picture: height and width. Taller, wider, as large as and smaller than the model's input.
SIZES = ((64, 64), (90, 50), (40, 100), (30, 20))
TRIMAP = ("foreground", "background", "contour")
# By name: task, architecture, classes.
CASES = {
    "classification": ("image_classification", "mini_xception", ("cat", "dog")),
    "five": ("image_classification", "mini_xception", ("ant", "bee", "cow", "dog", "eel")),
    "segmentation": ("image_segmentation", "segmentation_convnet", TRIMAP),
    "regions": ("image_segmentation", "segmentation_convnet", ("sky", "sea", "sand", "sun", "man")),
    "points": ("points", "linear", ("negative", "positive")),
}


@pytest.fixture(scope="session")
def side() -> int:
    return SIDE


@pytest.fixture(scope="session")
def pictures(encode: Callable[..., bytes]) -> list[bytes]:
    """Four encoded pictures of mixed sizes and formats with very different contents."""
    rng = np.random.default_rng(2)
    made = []
    for number, (height, width) in enumerate(SIZES):
        ramp = np.linspace(0, 255, width)[None, :, None] * np.array([1.0, 0.5, 0.2])
        pixels = np.broadcast_to(ramp if number % 2 else 255 - ramp, (height, width, 3)).copy()
        pixels[: height // 2] *= number / 4
        pixels += rng.uniform(0, 40, pixels.shape)
        pixels = np.clip(pixels, 0, 255).astype(np.uint8)
        made.append(encode(pixels, "JPEG" if number == 1 else "PNG"))
    return made


@pytest.fixture(scope="session")
def images(pictures: list[bytes]) -> np.ndarray:
    """What the models see of `pictures`: float32 [4, SIDE, SIDE, 3]."""
    return decode_images(tf.constant(pictures), SIDE).numpy()


@dataclass
class Exported:
    """A Keras model and the SavedModel made of it, and the names of its classes."""

    model: Any
    folder: Path
    classes: tuple[str, ...]
    loaded: Any

    def call(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        answer = self.loaded.signatures[signature](**tensors)
        return {key: value.numpy() for key, value in answer.items()}

    def explain(self, pictures: list[bytes], class_index: Any) -> dict[str, np.ndarray]:
        index = np.asarray(class_index, np.int32)
        return self.call(names.SIGNATURE_GRAD_CAM, image_bytes=pictures, class_index=index)

    def graph(self) -> Any:
        saved = saved_model_pb2.SavedModel.FromString((self.folder / "saved_model.pb").read_bytes())
        (meta_graph,) = saved.meta_graphs
        return meta_graph


def _centre(model: Any, images: np.ndarray) -> None:
    """Scales and shifts fresh logits so that every class is predicted somewhere."""
    layer = model.get_layer("logits")
    values = np.asarray(keras.Model(model.input, layer.output)(images, training=False))
    axes = tuple(range(values.ndim - 1))
    kernel, bias = layer.get_weights()
    scale = 2.0 / values.std(axis=axes)
    layer.set_weights([kernel * scale, (bias - np.median(values, axis=axes)) * scale])


@pytest.fixture(scope="session")
def learn_norms() -> Callable[..., None]:
    """learn_norms(model, negative=False): as if trained; also with scales below 0 and of 0."""

    def learn(model: Any, negative: bool = False) -> None:
        rng = np.random.default_rng(4)
        for layer in model.layers:
            if not isinstance(layer, keras.layers.BatchNormalization):
                continue
            for weight in layer.weights:
                values = rng.normal(0, 0.3, weight.shape)  # of beta and moving_mean
                if weight.name in ("gamma", "moving_variance"):
                    values = rng.uniform(0.5, 1.5, weight.shape)
                if weight.name == "gamma" and negative:
                    values[:2] = -values[0], 0.0
                weight.assign(values)

    return learn


@pytest.fixture(scope="session")
def export(tmp_path_factory, images, learn_norms, export_as) -> Callable[..., Exported]:
    """export(case, **options): the same model each time, with other `ExportOptions`."""

    def make(case: str, **options: Any) -> Exported:
        task, name, classes = CASES[case]
        keras.utils.set_random_seed(3)
        side = None if case == "points" else SIDE
        model = models.build(name, side, len(classes))
        learn_norms(model)
        if side:
            _centre(model, images)
        else:
            model.set_weights([np.array([[0.5], [-0.25]]), np.array([0.5])])
        folder = tmp_path_factory.mktemp("exported") / case
        export_as(task, models.spec(name), model, folder, *classes, **options)
        return Exported(model, folder, classes, tf.saved_model.load(str(folder)))

    return make


@pytest.fixture(scope="session")
def exported(export: Callable[..., Exported]) -> dict[str, Exported]:
    """By case, made when it is first asked for."""

    class Made(dict):
        def __missing__(self, case: str) -> Exported:
            return self.setdefault(case, export(case))

    return Made()


@pytest.fixture(scope="session")
def examples(serialize: Callable[..., bytes]) -> Callable[..., list[bytes]]:
    """examples(pictures, mask=None): serialized tf.train.Examples."""

    def make(pictures: list[bytes], mask: bytes | None = None) -> list[bytes]:
        more = {f.MASK: mask} if mask else {}
        return [serialize({f.IMAGE: encoded} | more) for encoded in pictures]

    return make
