"""Classifiers on a published backbone: its convolutions, its weights, a head of our own."""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras

from components.models import blocks
from components.models.spec import TRUNK_OUTPUT_LAYER
from serving.errors import FailedError, InputError

IMAGENET = "imagenet"  # the weights that the library downloads


def classifier(
    name: str,
    backbone: Callable[..., keras.Model],
    inputs: keras.KerasTensor,
    preprocessed: keras.KerasTensor,
    *,
    weights: str,
    dropout: float,
) -> keras.Model:
    """Puts global average pooling, dropout and one score on a backbone.

    The backbone's layers become the model's own, so that Grad-CAM and fine-tuning find them.

    Args:
        name: of the model.
        backbone: a function of `keras.applications`.
        inputs: the picture, float32 [batch, image_size, image_size, 3] in [0, 255].
        preprocessed: the picture as the backbone's weights expect it, same shape.
        weights: "" for random ones, "imagenet" for those that the library downloads, else the
            path of a local file: the published one without the top (`*_notop.h5`), or
            `*.weights.h5`, as the backbone's `save_weights` writes it.
        dropout: share of the pooled features that a training step drops, in [0, 1).

    Raises:
        InputError: the file is not there, or holds the weights of another architecture.
        FailedError: the published weights cannot be downloaded.
    """
    path = _weights_file(weights) if weights not in ("", IMAGENET) else None
    if weights == IMAGENET:
        trunk = _downloaded(name, backbone, preprocessed)
    else:
        trunk = backbone(include_top=False, weights=None, input_tensor=preprocessed)
    if path:
        _load(trunk, path, name)
    x = keras.layers.Identity(name=TRUNK_OUTPUT_LAYER)(trunk.output)
    x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
    return keras.Model(inputs, blocks.binary_output(x, dropout=dropout), name=name)


def _weights_file(weights: str) -> Path:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(
            "trainer.model_args.weights",
            expected=f"'' (random), '{IMAGENET}' (download) or the path of a weights file",
            found=f"'{weights}', which is " + ("a folder" if path.is_dir() else "not there"),
        )
    if path.suffix != ".h5":
        raise InputError(
            "trainer.model_args.weights", expected="a file that ends with .h5", found=f"'{weights}'"
        )
    return path


def _load(trunk: keras.Model, path: Path, name: str) -> None:
    try:
        with warnings.catch_warnings():
            # Of a file that does not fit Keras says so a hundred times before it raises.
            warnings.filterwarnings("ignore", message="Skipping nested container")
            trunk.load_weights(path)
    except (OSError, ValueError, KeyError) as error:  # not HDF5, other layers, other shapes
        raise InputError(
            "trainer.model_args.weights",
            expected=f"the weights of {name} without its top (*_notop.h5 or *.weights.h5)",
            found=f"'{path}', which does not fit",
        ) from error


def _downloaded(
    name: str, backbone: Callable[..., keras.Model], preprocessed: keras.KerasTensor
) -> keras.Model:
    try:
        return backbone(include_top=False, weights=IMAGENET, input_tensor=preprocessed)
    except Exception as error:  # the library raises nothing narrower
        reason = " ".join(str(error).split())
        raise FailedError(
            f"the published weights of {name} could not be had ({reason}); "
            "give the path of a file as trainer.model_args.weights"
        ) from error
