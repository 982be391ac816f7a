"""Opens a model to look into: a pushed version, what a run trained, or any Keras file."""

import json
import re
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components import models
from components.extension import calling
from components.models.pretrained import published
from components.models.spec import LOGITS_LAYER
from components.preprocessing import decode_image
from serving.classes import Classes
from serving.errors import InputError
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE, MODEL_FILE
from serving.stores.versions import SAVED_MODEL_FILE, plain_path

_OWN_LAYERS = "layers of its own need their module imported before, see docs/interpretation.md"
_EXPORTED = "artifacts/trainer/model/*/Format-Serving"  # of a run, below its work directory
PUBLISHED = {"xception": "block14_sepconv2_act", "vgg16": "block5_conv3"}  # the book's layers


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
        return replace(with_logits(model, where), explained=PUBLISHED[where], range_guessed=False)
    if weights:
        raise InputError("--weights", expected=f"a model of {' or '.join(PUBLISHED)}", found=where)
    if path.suffix == ".keras" and path.is_file():
        with calling(where, "MODEL", "a model saved by Keras 3", _OWN_LAYERS):
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
            found="none: a version without a description, or one that is no model of images",
            todo="give the run's best.keras instead",
        )
    with calling(str(described), "MODEL", "what an export writes", _OWN_LAYERS):
        told = json.loads(described.read_text(encoding="utf-8"))
        if name := told.pop("model", ""):
            models.spec(name)  # whose module registers layers of its own
        classes = Classes.from_json((extra / MODEL_CLASSES_FILE).read_bytes(), str(folder))
        model = keras.saving.deserialize_keras_object(told.pop("architecture"))
        with plain_path(folder) as path:
            stored = tf.saved_model.load(str(path)).variables
        for variable, value in zip(model.variables, stored, strict=True):
            variable.assign(value)
        return Opened(flattened(model), classes=classes.names, where=str(described), **told)


def safe_name(name: str) -> str:
    """A layer's name as TensorFlow takes it in a graph: ASCII, without spaces."""
    return re.sub("^(?=[_-])", "layer", re.sub(r"[^\w.-]", "_", name, flags=re.ASCII))


def flattened(model: keras.Model) -> keras.Model:
    """A functional copy in which every layer is called once, and none is a model of its own.

    Layers of a Sequential are called whenever it is built, so that `layer.output` is of an earlier
    graph than the model's; and what is inside of a model in the model cannot be cut at. Layers keep
    their names, as `safe_name` has them; of several of one name the outermost does.
    """
    names = {safe_name(layer.name): id(layer) for layer in model.layers}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Sequential):
            return reduce(lambda tensor, one: call(one, tensor), layer.layers, args[0])
        if hasattr(layer, "operations"):
            # Keras has no public way to walk a graph with the arguments of each call.
            return layer._run_through_graph(args[0], call_fn=call)
        name = safe_name(layer.name)
        while names.setdefault(name, id(layer)) != id(layer):
            name += "_2"
        names[name] = 0  # where the layer is called again, that is another one
        copy = type(layer).from_config(layer.get_config() | {"name": name})
        answer = copy(*args, **kwargs)
        if isinstance(copy, keras.layers.Layer):
            copy.set_weights(layer.get_weights())
        if isinstance(copy, keras.layers.Normalization):
            copy.finalize_state()  # it computes with what it made of its weights
        return answer

    given = model.inputs[0]
    inputs = keras.Input(given.shape[1:], dtype=given.dtype, name=safe_name(given.name))
    return keras.Model(inputs, call(model, inputs), name=safe_name(model.name))


def with_logits(model: keras.Model, where: str) -> Opened:
    """A model of any making as one whose scores before sigmoid or softmax are a layer's output.

    Raises:
        InputError: it does not take square pictures in color, or ends in nothing of the kind.
    """
    shapes = [tuple(one.shape) for one in getattr(model, "inputs", ())]
    side = shapes[0][1:2] if shapes else ()
    if [shape[1:] for shape in shapes] != [(*side, *side, 3)] or len(model.outputs) != 1:
        raise InputError(
            where,
            expected="a model from one [batch, side, side, 3], square pictures, to one output",
            found=f"{shapes} to {len(model.outputs)}" if shapes else "one that was never built",
        )
    model = flattened(model)
    probabilities = model.outputs[0]
    last: Any = next(one for one in model.operations if one.output is probabilities)
    rescales = any(isinstance(layer, keras.layers.Rescaling) for layer in model.layers)
    ours = LOGITS_LAYER in {layer.name for layer in model.layers} - {last.name}
    if not ours:
        softmax = isinstance(last, keras.layers.Softmax) and last.axis in (-1, last.output.ndim - 1)
        activation = getattr(last, "activation", keras.activations.softmax if softmax else None)
        if activation not in (keras.activations.softmax, keras.activations.sigmoid):
            raise InputError(
                where, expected="a last layer with sigmoid or softmax", found=type(last).__name__
            )
        kind, told = (keras.layers.Activation, {}) if softmax else (type(last), last.get_config())
        linear = kind.from_config(told | {"activation": None, "name": LOGITS_LAYER})
        logits = linear(last.input)
        linear.set_weights(last.get_weights())
        probabilities = activation(logits)
    if probabilities.shape[-1] == 1:  # of two classes, that of the second
        probabilities = keras.ops.concatenate([1.0 - probabilities, probabilities], axis=-1)
    return Opened(
        keras.Model(model.inputs[0], probabilities, name=model.name),
        LOGITS_LAYER,
        value_range=255.0 if rescales else 1.0,
        range_guessed=not (rescales and ours),
        where=where,
    )


def class_names(path: Path, count: int) -> tuple[str, ...]:
    """Reads `imagenet_class_index.json`, as Keras publishes it: index -> [wordnet id, name].

    Raises:
        InputError: it is something else, or of another number of classes.
    """
    with calling(str(path), "--class-index", '{"0": ["n01440764", "tench"], ...}'):
        read = json.loads(path.read_text(encoding="utf-8"))
        names = tuple(str(read[str(index)][1]) for index in range(len(read)))
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
