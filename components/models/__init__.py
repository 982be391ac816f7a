"""The architectures, by name: one file each, written with `keras` alone.

A new one is a file with a `build(image_size, **args)`, a line in `_SPECS` and its module's name in
`_builder`. Importing this package costs nothing; Keras is imported when a model is built.
"""

import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from components.models.spec import ModelSpec
from serving.errors import InputError, nearest

if TYPE_CHECKING:
    import keras

_SPECS = {
    spec.name: spec
    for spec in (
        ModelSpec("convnet_baseline", "classification"),
        ModelSpec("convnet_small_150", "classification"),
        ModelSpec(
            "mini_xception", "classification", ablations=("residual", "batch_norm", "separable")
        ),
        ModelSpec("residual_convnet", "classification"),
        ModelSpec("vgg16", "classification", fine_tune_from="block5_conv1"),
        ModelSpec("xception", "classification", fine_tune_from="block13_sepconv1_act"),
        ModelSpec("segmentation_convnet", "segmentation"),
        ModelSpec("xception_unet", "segmentation"),
        ModelSpec("linear", "points"),
    )
}

MODEL_NAMES: tuple[str, ...] = tuple(_SPECS)


def spec(name: str) -> ModelSpec:
    """What is known of an architecture; light, builds nothing.

    Raises:
        InputError: there is no architecture of that name.
    """
    if name not in _SPECS:
        raise InputError(
            f"model '{name}'",
            expected=f"one of {', '.join(MODEL_NAMES)}",
            found="an unknown name",
            todo=nearest(name, MODEL_NAMES),
        )
    return _SPECS[name]


def build(name: str, image_size: int | None, **args: Any) -> "keras.Model":
    """Builds an architecture with fresh weights, not compiled.

    Weights and dropout follow `keras.utils.set_random_seed`.

    Args:
        name: one of `MODEL_NAMES`.
        image_size: side of the square input in pixels; None for points.
        **args: the architecture's own arguments.

    Returns:
        A functional model from float32 [batch, image_size, image_size, 3], RGB in [0, 255], to
        float32 [batch, 1], the probability of class 1 (classification), or to float32
        [batch, image_size, image_size, classes], probabilities that sum to 1 (segmentation);
        of points from float32 [batch, 2] to float32 [batch, 1], the score.

    Raises:
        InputError: unknown name or argument, a value of the wrong type or range, or a size that
            the architecture cannot take.
    """
    spec(name)
    builder = _builder(name)
    _check_arguments(name, builder, args)
    return builder(image_size, **args)


def _builder(name: str) -> Callable[..., "keras.Model"]:
    # Imported by name, although they are taken from the package: whoever asks which code a step
    # reaches (pipelines/source_digest.py) reads import statements.
    from components.models import (  # noqa: F401
        convnet_baseline,
        convnet_small_150,
        linear,
        mini_xception,
        residual_convnet,
        segmentation_convnet,
        vgg16,
        xception,
        xception_unet,
    )

    builder: Callable[..., keras.Model] = sys.modules[f"{__name__}.{name}"].build
    return builder


def _check_arguments(
    name: str, builder: Callable[..., "keras.Model"], args: dict[str, Any]
) -> None:
    parameters = dict(inspect.signature(builder).parameters)
    parameters.pop("image_size")
    for key, value in args.items():
        if key not in parameters:
            raise InputError(
                f"trainer.model_args.{key}",
                expected=f"an argument of {name} ({', '.join(parameters) or 'it has none'})",
                found="an unknown one",
                todo=nearest(key, parameters),
            )
        kind = parameters[key].annotation
        # An int is a fine float; a bool, which Python counts as an int, is not a number here.
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise InputError(
                f"trainer.model_args.{key}", expected=f"a {kind.__name__}", found=repr(value)
            )
