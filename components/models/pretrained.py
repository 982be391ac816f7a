"""Classifiers on a published backbone: its convolutions, its weights, our own head; fine-tuning.

Any backbone of `keras.applications` will do. Two have names of their own: VGG16 (Simonyan &
Zisserman, 2014; 14,714,688 parameters, its own size is 224) and Xception (Chollet, 2017;
20,861,480 parameters, its own size is 299).
"""

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from components.models import blocks, explained_layers
from components.models.spec import PREFIX, TRUNK_OUTPUT_LAYER, Learn, ModelSpec
from serving.errors import FailedError, InputError

IMAGENET = "imagenet"  # the weights that the library downloads


def application(name: str) -> Callable[..., keras.Model]:
    """The `build` of a backbone; what follows the last point of `name` is the library's name."""

    def build(
        image_size: int, classes: int, weights: str = "", dropout: float = 0.5
    ) -> keras.Model:
        """Puts global average pooling, dropout and the classes on a backbone.

        The backbone's layers become the model's own, so that Grad-CAM and fine-tuning find them.
        What its weights expect of a picture is done by the model's first layers.

        Args:
            weights: "" for random ones, "imagenet" for those that the library downloads, else the
                path of a local file: the published one without the top (`*_notop.h5`), or
                `*.weights.h5`, as the backbone's `save_weights` writes it.
            dropout: share of the pooled features that a training step drops, in [0, 1).

        Raises:
            InputError: a size or a rate out of range, or a file that is not there or holds the
                weights of another architecture.
            FailedError: the published weights cannot be downloaded.
        """
        blocks.check_below_one("dropout", dropout)
        inputs = blocks.picture_input(image_size)
        trunk = _trunk(name, inputs, IMAGENET if weights == IMAGENET else None)
        if weights not in ("", IMAGENET):
            _load(trunk, weights, f"{name} without its top (*_notop.h5 or *.weights.h5)")
        x = keras.layers.Identity(name=TRUNK_OUTPUT_LAYER)(trunk.output)
        x = keras.layers.GlobalAveragePooling2D(name="global_pool")(x)
        outputs = blocks.class_output(x, classes, dropout=dropout)
        return keras.Model(inputs, outputs, name=name.removeprefix(PREFIX).lower())

    return build


def _backbone(name: str) -> tuple[Callable[..., keras.Model], Callable[[np.ndarray], np.ndarray]]:
    """The library's own function, and what it does to a picture before."""
    called = {"vgg16": "VGG16", "xception": "Xception"}.get(name, name.removeprefix(PREFIX))
    backbone = getattr(keras.applications, called)
    return backbone, sys.modules[backbone.__module__].preprocess_input


def _trunk(name: str, inputs: keras.KerasTensor, weights: str | None) -> keras.Model:
    backbone, preprocess = _backbone(name)
    prepared, shape = _prepared(inputs, preprocess), inputs.shape[1:]
    try:
        return backbone(
            include_top=False, weights=weights, input_tensor=prepared, input_shape=shape
        )
    except Exception as error:  # where a download fails, the library raises nothing narrower
        reason = " ".join(str(error).split())
        if least := re.search(r"at least (\d+)x", reason):
            raise InputError(
                f"trainer.image_size for {name}",
                expected=f"at least {least[1]} (as published)",
                found=str(shape[0]),
                todo=f"try {least[1]}",
            ) from error
        if weights:
            raise FailedError(
                f"the published weights of {name} could not be had ({reason}); "
                "give the path of a file as trainer.model_args.weights"
            ) from error
        raise


def _prepared(
    inputs: keras.KerasTensor, preprocess: Callable[[np.ndarray], np.ndarray]
) -> keras.KerasTensor:
    """The picture as a backbone's weights expect it, by layers that go with the model.

    Args:
        inputs: float32 [batch, height, width, 3] in [0, 255], RGB.
        preprocess: the library's function: linear in each channel, in this order or turned round.

    Returns:
        The same shape.
    """
    # Seen from what becomes of black and of the three pure colours: [4, 1, 1, 3].
    black, *pure = preprocess(np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)])[:, None, None])
    offset = black.ravel()
    response = np.array([color.ravel() - offset for color in pure]) / 255  # [from, to]
    turned = abs(response[0, 0]) < abs(response[0, 2])
    scale = np.diag(response[:, ::-1] if turned else response)[:: -1 if turned else 1]
    if turned:
        inputs = keras.ops.flip(inputs, axis=-1)
    if np.allclose([*scale, *offset], [1.0] * 3 + [0.0] * 3):
        return inputs
    return keras.layers.Rescaling(_plain(scale), offset=_plain(offset), name="prepare")(inputs)


def _plain(values: np.ndarray) -> float | list[float]:
    """One number for all channels if they are equal, as float32, in which is computed."""
    # Rounded, so that 2/255 is the same as a division by 127.5.
    rounded = [float(value) for value in values.astype(np.float32)]
    return rounded[0] if len(set(rounded)) == 1 else rounded


def _load(
    model: keras.Model, weights: str, what: str, key: str = "trainer.model_args.weights"
) -> None:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(
            key,
            expected=f"'' (random), '{IMAGENET}' (download) or the path of a weights file",
            found=f"'{weights}', which is " + ("a folder" if path.is_dir() else "not there"),
        )
    try:
        with warnings.catch_warnings():
            # Of a file that does not fit Keras says so a hundred times before it raises.
            warnings.filterwarnings("ignore", message="Skipping nested container")
            model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:  # not HDF5, other layers, other shapes
        raise InputError(
            key, expected=f"the weights of {what}", found=f"'{path}', which does not fit"
        ) from error


def set_phase(model: keras.Model, spec: ModelSpec, phase: Learn) -> None:
    """Decides which layers the next training moves; the model has to be compiled after that.

    Fine-tuning goes in phases, first the new head, then the top of the backbone too: "Deep Learning
    with Python", 2nd edition, 8.3.2.

    Args:
        model: built by `components.models.build`.
        spec: its specification; of one with a published backbone, unless the phase is `all`.
        phase: `head` trains only what follows the backbone; `top` also the backbone from
            `spec.fine_tune_from` on; `all` everything, batch norm too, as for a training from
            scratch. In `head` and `top` all batch norm of the backbone is frozen: it keeps its
            moving averages and works with them, for those of small batches would ruin what the
            backbone knows.
    """
    if phase == "all":
        for layer in model.layers:
            layer.trainable = True
        return
    assert spec.fine_tune_from is not None, "see TrainerConfig.task_mistakes"
    # Layers come in the order of the graph: what lies above a layer follows it.
    names = [layer.name for layer in model.layers]
    first = head = names.index(explained_layers(model, spec)[0]) + 1
    if phase == "top":
        start = spec.fine_tune_from
        first = names.index(start) if isinstance(start, str) else round(head * (1 - start))
    for position, layer in enumerate(model.layers):
        # All batch norm is the backbone's: the head has none.
        frozen = position < first or isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not frozen


def published(name: str, weights: str, *, top: bool) -> keras.Model:
    """A backbone as it was published, of the size it was trained at, to look into.

    Args:
        name: as `keras.applications` has it, or `vgg16` or `xception`.
        weights: path of a local file; empty: random ones.
        top: with the 1,000 classes of ImageNet, from pictures in [0, 255]; else the convolutions
            alone, from pictures of any size as the library has prepared them.

    Raises:
        InputError: a file that is not there or holds the weights of something else.
    """
    backbone, preprocess = _backbone(name)
    model = backbone(include_top=top, weights=None)
    if weights:
        _load(model, weights, f"{name} {'with' if top else 'without'} its top", "--weights")
    if not top:
        return model
    prepared = _prepared(blocks.picture_input(model.input_shape[1]), preprocess)
    whole = backbone(weights=None, input_tensor=prepared, name=name)
    whole.set_weights(model.get_weights())
    return whole


vgg16, xception = application("vgg16"), application("xception")
