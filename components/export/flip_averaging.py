"""Test-time augmentation: one answer from an image and its mirror image.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition"
(2014), section 3.2, average the class probabilities of both; here the logits are averaged, whose
mean is a score that Grad-CAM can explain.
"""

from typing import Any

import keras

from components import models
from components.explanations.cutting import join_model, split_model


def flip_averaged_model(model: keras.Model, spec: models.ModelSpec) -> keras.Model:
    """A model whose logits are the mean over an image and its mirror image, at twice the work.

    A classifier then answers the same for both, and the mask of a segmenter is mirrored with the
    image. The model takes and gives the same as the one given, and shares its weights.
    """
    trunk, head = flip_averaged(*split_model(model, *models.explained_layers(model, spec)))
    return join_model(trunk, head)


def flip_averaged(trunk: keras.Model, head: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The halves of a model whose logits are the mean over an image and its mirror image.

    Maps of the mirror image are mirrored back: where both stand side by side, the same place of
    the image is at the same place of both.

    Takes and gives what `components.explanations.cutting.split_model` does. The features hold the
    channels of the image and then those of the mirror image, [batch, h, w, 2 * channels]; what else
    the head needs is that of the image and then that of the mirror image, not mirrored back.
    """
    images = keras.Input(trunk.input.shape[1:], name=trunk.input.name)
    # Lists, where Keras hands on a single tensor bare.
    plain, mirrored = (keras.tree.flatten(trunk(seen)) for seen in (images, _mirror(images)))
    features = keras.ops.concatenate([plain[0], _mirror(mirrored[0])], axis=-1)
    both = keras.Model(images, _packed([features, *plain[1:], *mirrored[1:]]), name=trunk.name)

    between = [keras.Input(tensor.shape[1:]) for tensor in both.outputs]
    own, others = keras.ops.split(between[0], 2, axis=-1)
    carried = between[1:]
    half = len(carried) // 2
    logits, _ = head(_packed([own, *carried[:half]]))
    mirrored_logits, _ = head(_packed([_mirror(others), *carried[half:]]))
    if len(logits.shape) > 2:  # of every pixel
        mirrored_logits = _mirror(mirrored_logits)
    mean = (logits + mirrored_logits) / 2.0
    to_probabilities = keras.Model(*head.outputs, name="probabilities")
    return both, keras.Model(_packed(between), [mean, to_probabilities(mean)], name=head.name)


def _mirror(maps: Any) -> Any:
    """Left and right of [batch, height, width, channels] exchanged."""
    return keras.ops.flip(maps, axis=2)


def _packed(tensors: list[Any]) -> Any:
    """As a half gives or takes them: a single one bare."""
    return tensors if len(tensors) > 1 else tensors[0]
