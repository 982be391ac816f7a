"""Opens a model to look into: a pushed version, what a run trained, or any Keras file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.models.pretrained import published
from components.models.spec import LOGITS_LAYER
from components.preprocessing import decode_image
from serving.classes import Classes
from serving.errors import InputError
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE, MODEL_FILE
from serving.stores.versions import SAVED_MODEL_FILE

_EXPORTED = "artifacts/trainer/model/*/Format-Serving"  # of a run, below its work directory
PUBLISHED = ("xception", "vgg16")


@dataclass(frozen=True)
class Opened:
    """A model, and what is known of it; empty is what nobody said."""

    model: keras.Model  # functional, float32 [batch, height, width, 3] -> probabilities
    logits: str  # the layer of the scores before sigmoid or softmax
    explained: str = ""  # the layer that explanations look at
    classes: tuple[str, ...] = ()  # names in the order of the outputs
    value_range: float = 255.0  # what is white in the model's input
    explanation: str = "grad_cam"  # that its endpoint uses, a name or import path
    explanation_flip: bool = False  # whether its heatmaps do so, where the answers do not
    test_time_flip: bool = False  # whether its endpoint looks at the mirror image as well

    @property
    def side(self) -> int:
        """Of the model's square input in pixels; 200, as in the book, where it takes any."""
        return int(self.model.input.shape[1] or 200)


def open_model(where: str, *, weights: str = "", top: bool = True) -> Opened:
    """Opens a model.

    Args:
        where: folder of a pushed version, a run's work directory (what it trained last), a
            `.keras` file, or one of `PUBLISHED`.
        weights: of a published one, the path of a local file; empty: random ones.
        top: whether a published one is to have its classes of ImageNet.

    Raises:
        InputError: it is none of that, or holds no model of images.
    """
    path = Path(where)
    if where in PUBLISHED and not path.exists():
        return published_model(where, weights, top=top)
    if weights:
        raise InputError("--weights", expected=f"a model of {' or '.join(PUBLISHED)}", found=where)
    if path.suffix == ".keras" and path.is_file():
        return _keras_file(path)
    exported = sorted(path.glob(_EXPORTED), key=lambda folder: int(folder.parent.name))
    folder = exported[-1] if exported else path
    if (folder / SAVED_MODEL_FILE).is_file():
        return _version(folder)
    raise InputError(
        where,
        expected="the folder of a pushed version, a work directory with a trained model, a .keras"
        f" file, or {' or '.join(PUBLISHED)}",
        found="something else" if path.exists() else "nothing there",
    )


def _version(folder: Path) -> Opened:
    extra = folder / ASSETS_EXTRA
    try:
        told = json.loads((extra / MODEL_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            str(folder),
            expected=f"{ASSETS_EXTRA}/{MODEL_FILE}, the model's architecture",
            found="none: an older version, or one that is no model of images",
            todo="give the run's best.keras instead",
        ) from error
    classes = Classes.from_json((extra / MODEL_CLASSES_FILE).read_bytes(), str(folder))
    model = keras.saving.deserialize_keras_object(told.pop("architecture"))
    stored = tf.saved_model.load(str(folder)).variables
    for variable, value in zip(model.variables, stored, strict=True):
        variable.assign(value)
    return Opened(model, classes=classes.names, **told)


def _keras_file(path: Path) -> Opened:
    try:
        model = keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            str(path), expected="a model saved by Keras 3", found=f"{error}"[:200]
        ) from error
    return with_logits(model, str(path))


def with_logits(model: keras.Model, where: str) -> Opened:
    """A model of any making as one whose scores before sigmoid or softmax are a layer's output.

    Raises:
        InputError: it does not take pictures, or ends in nothing of the kind.
    """
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4 or len(model.outputs) != 1:
        raise InputError(where, expected="a model of one picture and one output", found=model.name)
    rescales = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
    probabilities, last = model.outputs[0], model.layers[-1]
    if LOGITS_LAYER not in [layer.name for layer in model.layers]:
        activation = getattr(last, "activation", None)
        if activation not in (keras.activations.softmax, keras.activations.sigmoid):
            raise InputError(
                where, expected="a last layer with sigmoid or softmax", found=type(last).__name__
            )
        told = last.get_config() | {"activation": None, "name": LOGITS_LAYER}
        linear = type(last).from_config(told)
        logits = linear(last.input)
        linear.set_weights(last.get_weights())
        probabilities = activation(logits)
    if probabilities.shape[-1] == 1:  # of two classes, that of the second
        probabilities = keras.ops.concatenate([1.0 - probabilities, probabilities], axis=-1)
    return Opened(
        keras.Model(model.inputs[0], probabilities, name=model.name),
        LOGITS_LAYER,
        value_range=255.0 if rescales else 1.0,
    )


def published_model(name: str, weights: str, *, top: bool) -> Opened:
    """See `open_model`; the book explains the last activations of Xception's trunk."""
    model = published(name, weights, top=top)
    if not top:
        return Opened(model, logits="", value_range=1.0)
    opened = with_logits(model, name)
    explained = {"xception": "block14_sepconv2_act", "vgg16": "block5_conv3"}[name]
    return Opened(opened.model, opened.logits, explained, value_range=255.0)


def class_names(path: Path, count: int) -> tuple[str, ...]:
    """Reads `imagenet_class_index.json`, as Keras publishes it: index -> [wordnet id, name].

    Raises:
        InputError: it is something else, or of another number of classes.
    """
    try:
        read: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = tuple(str(read[str(index)][1]) for index in range(len(read)))
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise InputError(
            str(path), expected='{"0": ["n01440764", "tench"], ...}', found=f"{error}"[:200]
        ) from error
    if len(names) != count:
        raise InputError(str(path), expected=f"{count} classes", found=str(len(names)))
    return names


def read_image(path: Path, side: int) -> np.ndarray:
    """Decodes as the endpoints do: float32 [side, side, 3] in [0, 255].

    Raises:
        InputError: there is no such file, or it is no picture.
    """
    try:
        return decode_image(tf.constant(path.read_bytes()), side).numpy()
    except (OSError, tf.errors.InvalidArgumentError) as error:
        reason = getattr(error, "strerror", None) or "no picture that can be read"
        raise InputError(
            str(path), expected="a JPEG, PNG, GIF, BMP or WebP", found=reason
        ) from error
