"""A model cut in two at the layer that is explained.

The trunk runs once, and only the head, which is small, is differentiated.
"""

import difflib
from typing import Any

import keras

from components.models import gives_map
from serving.errors import InputError


def check_layer(model: keras.Model, layer_name: str, logits_name: str, key: str) -> None:
    """Refuses a layer, told by the setting `key`, that Grad-CAM cannot explain; see `split_model`.

    Raises:
        InputError: the model has no such layer, its output is no map [batch, height, width,
            channels], or the logits, if named, do not follow from it; names the nearest layers.
    """
    possible = explainable(model, logits_name)
    if layer_name in possible:
        return
    if not possible:
        found = f"none in {model.name}"
    elif layer_name not in [layer.name for layer in model.layers]:
        found = f"'{layer_name}', which {model.name} does not have"
    elif len(getattr(model.get_layer(layer_name).output, "shape", ())) != 4:
        found = f"'{layer_name}', whose output is no such map"
    else:
        found = f"'{layer_name}', from which the logits do not follow"
    close = difflib.get_close_matches(layer_name, possible, n=3, cutoff=0.5) or possible[-1:]
    raise InputError(
        key,
        expected="a layer with an output [batch, height, width, channels]",
        found=found,
        todo="the nearest: " * bool(close) + ", ".join(f"'{name}'" for name in close),
    )


def split_model(
    model: keras.Model, layer_name: str, logits_name: str
) -> tuple[keras.Model, keras.Model]:
    """Cuts a functional model at a layer.

    Args:
        model: float32 [batch, height, width, 3] -> probabilities; each layer is called once.
        layer_name: layer whose output is explained.
        logits_name: layer that gives the scores before sigmoid or softmax.

    Returns:
        The trunk (image -> features [batch, h, w, channels]) and the head (features ->
        [logits, probabilities]). Where other ways lead round the layer, such as a residual sum,
        the trunk gives a list, the features and then whatever else the head needs, and the head
        takes that list. Both share the model's weights.
    """
    features = model.get_layer(layer_name).output
    later = _followers(model, features)
    carried: dict[int, Any] = {}  # by identity: what the head reads besides the features
    for operation in model.operations:
        if id(operation.output) not in later:
            continue
        for tensor in keras.tree.flatten(operation.input):
            if id(tensor) not in later and tensor is not features:
                carried[id(tensor)] = tensor
    between = [features, *carried.values()] if carried else features
    logits = model.get_layer(logits_name).output
    trunk = keras.Model(model.input, between, name="trunk")
    head = keras.Model(between, [logits, model.output], name="head")
    return trunk, head


def join_model(trunk: keras.Model, head: keras.Model) -> keras.Model:
    """The model, images -> probabilities, whose halves these are; see `split_model`."""
    images = keras.Input(trunk.input.shape[1:], name=trunk.input.name)
    _, probabilities = head(trunk(images))
    return keras.Model(images, probabilities)


def _followers(model: keras.Model, features: Any) -> set[int]:
    """Identities of the outputs of all operations that read `features`, directly or not."""
    later: set[int] = set()
    for operation in model.operations:  # in the order of the graph
        read = keras.tree.flatten(operation.input)
        if any(tensor is features or id(tensor) in later for tensor in read):
            later.update(id(tensor) for tensor in keras.tree.flatten(operation.output))
    later.discard(id(features))
    return later


def explainable(model: keras.Model, logits_name: str) -> list[str]:
    """The layers that Grad-CAM can explain, in the order of the graph; "": all that give maps."""
    maps = [layer for layer in model.layers if gives_map(layer)]
    if logits_name:
        logits = model.get_layer(logits_name).output
        maps = [one for one in maps if id(logits) in _followers(model, one.output)]
    return [layer.name for layer in maps]
