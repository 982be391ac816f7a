"""Grad-CAM: the one implementation, behind the endpoint, the report and every metric.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (2017); "Deep Learning with Python", 9.4.3. For segmentation the score is summed
over the pixels of the class, as in Vinogradova et al., "Towards Interpretable Semantic
Segmentation via Gradient-weighted Class Activation Mapping" (2020).

The model is cut in two at the explained layer: the trunk runs once, and only the head, which is
small, is differentiated. Scores are logits: a saturated sigmoid or softmax has no gradient.
"""

import difflib
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from serving.errors import InputError

FLAT = 1e-5  # relative span below which a heatmap counts as constant


def check_layer(model: keras.Model, layer_name: str, logits_name: str, key: str) -> None:
    """Refuses a layer, told by the setting `key`, that Grad-CAM cannot explain; see `split_model`.

    Raises:
        InputError: the model has no such layer, its output is no map [batch, height, width,
            channels], or the logits do not follow from it; names the nearest layers.
    """
    possible = _explainable(model, logits_name)
    if layer_name in possible:
        return
    if layer_name not in [layer.name for layer in model.layers]:
        found = f"'{layer_name}', which {model.name} does not have"
    elif len(model.get_layer(layer_name).output.shape) != 4:
        found = f"'{layer_name}', whose output is no such map"
    else:
        found = f"'{layer_name}', from which the logits do not follow"
    close = difflib.get_close_matches(layer_name, possible, n=3, cutoff=0.5) or possible[-1:]
    raise InputError(
        key,
        expected="a layer with an output [batch, height, width, channels], before the logits",
        found=found,
        todo="the nearest: " + ", ".join(f"'{name}'" for name in close),
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


def _explainable(model: keras.Model, logits_name: str) -> list[str]:
    """The layers that Grad-CAM can explain, in the order of the graph."""
    logits = model.get_layer(logits_name).output
    return [
        layer.name
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
        and len(layer.output.shape) == 4
        and layer.output is not logits
        and id(logits) in _followers(model, layer.output)
    ]


def class_score(logits: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """What speaks for a class of a classifier, float32 [batch].

    Args:
        logits: float32 [batch, classes]; or [batch, 1] for two classes: what speaks for class 1
            speaks against class 0.
        chosen: int32 [batch], a class for each image.
    """
    if logits.shape[-1] == 1:
        return tf.where(chosen == 1, logits[:, 0], -logits[:, 0])
    return tf.gather(logits, chosen, batch_dims=1)


def grad_cam(
    trunk: Callable[..., Any],
    head: Callable[..., Any],
    images: tf.Tensor,
    score: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes heatmaps for a batch.

    Args:
        trunk, head: the two halves of the model, see `split_model`.
        images: float32 [batch, height, width, 3] in [0, 255].
        score: (logits, probabilities) -> float32 [batch], what is explained.

    Returns:
        Heatmaps float32 [batch, height, width] in [0, 1], each with maximum 1, or all zeros
        where nothing speaks for the score or everything does alike; and the head's probabilities.
    """
    between = trunk(images, training=False)
    features = between[0] if isinstance(between, list) else between
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        logits, probabilities = head(between, training=False)
        scores = score(logits, probabilities)
    gradients = tape.gradient(scores, features, unconnected_gradients="zero")
    weights = tf.reduce_mean(gradients, axis=[1, 2], keepdims=True)
    heatmaps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
    height, width = images.shape[1], images.shape[2]
    heatmaps = tf.image.resize(heatmaps[..., tf.newaxis], [height, width])[..., 0]
    peaks = tf.reduce_max(heatmaps, axis=[1, 2], keepdims=True)
    lows = tf.reduce_min(heatmaps, axis=[1, 2], keepdims=True)
    # A map that is the same everywhere points nowhere (rounding aside, which resizing adds).
    telling = peaks - lows > FLAT * peaks
    heatmaps = tf.where(telling, tf.math.divide_no_nan(heatmaps, peaks), 0.0)
    return heatmaps, probabilities
