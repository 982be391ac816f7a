"""Opens a model to look into: a pushed version, what a run trained, or any Keras file."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import partial, reduce
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
# By the name of a published model, the layer that the book explains.
PUBLISHED = {"xception": "block14_sepconv2_act", "vgg16": "block5_conv3"}


@dataclass(frozen=True)
class Opened:
    """A model, and what is known of it; empty is what nobody said."""

    model: keras.Model  # as of `flattened`, float32 [batch, side, side, 3] -> probabilities
    logits: str  # the layer of the scores before sigmoid or softmax
    explained: str = ""  # the layer that explanations look at
    classes: tuple[str, ...] = ()  # names in the order of the outputs
    value_range: float = 255.0  # what is white in the model's input
    range_guessed: bool = False  # whether that is only what the layers look like
    explanation: str = "grad_cam"  # that its endpoint uses, a name or import path
    explanation_flip: bool = False  # whether its heatmaps do so, where the answers do not
    test_time_flip: bool = False  # whether its endpoint looks at the mirror image as well
    where: str = ""  # the file that says so

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
        model = published(where, weights, top=top)
        if not top:
            return Opened(model, logits="", value_range=1.0)
        return dataclasses.replace(
            with_logits(model, where), explained=PUBLISHED[where], range_guessed=False
        )
    if weights:
        raise InputError("--weights", expected=f"a model of {' or '.join(PUBLISHED)}", found=where)
    if path.suffix == ".keras" and path.is_file():
        with _reading(where, "a model saved by Keras 3"):
            return with_logits(keras.models.load_model(path, compile=False), where)
    exported = [folder for folder in path.glob(_EXPORTED) if folder.parent.name.isdecimal()]
    folder = max(exported, key=lambda folder: int(folder.parent.name), default=path)
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
    described = extra / MODEL_FILE
    if not described.is_file():
        raise InputError(
            str(folder),
            expected=f"{ASSETS_EXTRA}/{MODEL_FILE}, the model's architecture",
            found="none: an older version, or one that is no model of images",
            todo="give the run's best.keras instead",
        )
    with _reading(str(described), "what an export writes"):
        told = json.loads(described.read_text(encoding="utf-8"))
        classes = Classes.from_json((extra / MODEL_CLASSES_FILE).read_bytes(), str(folder))
        model = keras.saving.deserialize_keras_object(told.pop("architecture"))
        stored = tf.saved_model.load(str(folder)).variables
        for variable, value in zip(model.variables, stored, strict=True):
            variable.assign(value)
        return Opened(flattened(model), classes=classes.names, where=str(described), **told)


@contextlib.contextmanager
def _reading(where: str, expected: str) -> Iterator[None]:
    """Makes an InputError of whatever a stored model raises; its layers may be anybody's code."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # damage shows anywhere, and a layer's own code raises anything
        told = " ".join(str(error).split())
        lacking = re.search(r"'module': '([^']+)', 'class_name': '(\w+)'", told)
        raise InputError(
            where,
            expected=expected,
            found=f"{type(error).__name__}: {told}"[:200],
            todo=f"its class '{lacking[2]}' is in the module '{lacking[1]}', which has to be"
            " importable: install it, or put its folder in PYTHONPATH"
            if lacking
            else "",
        ) from error


def safe_name(name: str) -> str:
    """A layer's name as TensorFlow takes it in a graph: ASCII, without spaces."""
    safe = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    return f"layer{safe}" if safe[:1] in ("_", "-") else safe


def flattened(model: keras.Model) -> keras.Model:
    """A copy in which every layer is called once, and none is a model of its own.

    Layers of a Sequential are called each time that it is built, so that `layer.output` is of an
    earlier graph than the model's; and what is inside of a model in the model cannot be cut at.

    Args:
        model: functional or Sequential, of one input, built.

    Returns:
        A functional model of the same weights. Layers keep their names as `safe_name` has them; of
        several of one name all but the outermost get another.
    """
    used: set[str] = set()
    own = {safe_name(layer.name) for layer in model.layers}

    def through(whole: keras.Model, tensors: Any, reserved: Set[str]) -> Any:
        call = partial(anew, reserved)
        if isinstance(whole, keras.Sequential):
            return reduce(lambda tensor, layer: call(layer, tensor), whole.layers, tensors)
        # Keras has no public way to walk a graph with the arguments of each call.
        return whole._run_through_graph(tensors, call_fn=call)

    def anew(reserved: Set[str], layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
            return through(layer, args[0], own)
        name = safe_name(layer.name)
        while name in used or name in reserved:
            name += "_2"
        used.add(name)
        copy = type(layer).from_config(layer.get_config() | {"name": name})
        answer = copy(*args, **kwargs)
        if isinstance(copy, keras.layers.Layer):
            copy.set_weights(layer.get_weights())
        if isinstance(copy, keras.layers.Normalization):
            copy.finalize_state()  # it computes with what it made of its weights
        return answer

    given = model.inputs[0]
    inputs = keras.Input(given.shape[1:], dtype=given.dtype, name=safe_name(given.name))
    used.add(inputs.name)
    return keras.Model(inputs, through(model, inputs, frozenset()), name=safe_name(model.name))


def with_logits(model: keras.Model, where: str) -> Opened:
    """A model of any making as one whose scores before sigmoid or softmax are a layer's output.

    Raises:
        InputError: it does not take square pictures in color, or ends in nothing of the kind.
    """
    shapes = [tuple(one.shape) for one in getattr(model, "inputs", ())]
    height, width, channels = shapes[0][1:] if list(map(len, shapes)) == [4] else (0, 0, 0)
    if channels != 3 or height != width or len(model.outputs) != 1:
        raise InputError(
            where,
            expected="a model from [batch, side, side, 3], a square picture, to one output",
            found=f"one from {', '.join(map(str, shapes))} to {len(model.outputs)}"
            if shapes
            else f"{model.name}, which was never built, or is not made of layers",
        )
    model = flattened(model)
    probabilities = model.outputs[0]
    last: Any = next(one for one in model.operations if one.output is probabilities)
    names = {layer.name for layer in model.layers} - {last.name}
    rescales = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
    if LOGITS_LAYER not in names:
        linear, activation = _linear(last, where)
        logits = linear(last.input)
        linear.set_weights(last.get_weights())
        probabilities = activation(logits)
    if probabilities.shape[-1] == 1:  # of two classes, that of the second
        probabilities = keras.ops.concatenate([1.0 - probabilities, probabilities], axis=-1)
    return Opened(
        keras.Model(model.inputs[0], probabilities, name=model.name),
        LOGITS_LAYER,
        value_range=255.0 if rescales else 1.0,
        range_guessed=not (rescales and LOGITS_LAYER in names),
        where=where,
    )


def _linear(last: Any, where: str) -> tuple[keras.layers.Layer, Any]:
    """The layer of the logits that a model's last one is, and its sigmoid or softmax."""
    if isinstance(last, keras.layers.Softmax) and last.axis in (-1, len(last.output.shape) - 1):
        return keras.layers.Identity(name=LOGITS_LAYER), keras.activations.softmax
    activation = getattr(last, "activation", None)
    if activation not in (keras.activations.softmax, keras.activations.sigmoid):
        raise InputError(
            where, expected="a last layer with sigmoid or softmax", found=type(last).__name__
        )
    told = last.get_config() | {"activation": None, "name": LOGITS_LAYER}
    return type(last).from_config(told), activation


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
