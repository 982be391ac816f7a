"""The architectures, by name, written with `keras` alone.

One from outside is named by its import path, `package.module:build`, and any backbone of Keras's
own as `keras.applications.MobileNetV3Small`. Importing this package costs nothing; Keras is
imported when a model is built.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from components import extension
from components.models.spec import FINE_TUNED_SHARE, PREFIX, ModelSpec, check_backbone
from serving.errors import InputError, nearest

if TYPE_CHECKING:
    import keras

_KEY = "trainer.model"
_CLASSIFIERS, _SEGMENTERS, _POINTS = "image_classification", "image_segmentation", "points"


def _shipped(module: str, name: str, task: str, **more: Any) -> ModelSpec:
    return ModelSpec(name, f"{__name__}.{module}:{name}", task, **more)


_SPECS = {
    spec.name: spec
    for spec in (
        _shipped("convnets", "convnet_baseline", _CLASSIFIERS, smallest=78),
        _shipped("convnets", "convnet_small_150", _CLASSIFIERS, smallest=46),
        _shipped(
            "convnets",
            "mini_xception",
            _CLASSIFIERS,
            smallest=32,
            ablations=("residual", "batch_norm", "separable"),
        ),
        _shipped("convnets", "residual_convnet", _CLASSIFIERS, smallest=8),
        _shipped("pretrained", "vgg16", _CLASSIFIERS, fine_tune_from="block5_conv1"),
        _shipped("pretrained", "xception", _CLASSIFIERS, fine_tune_from="block13_sepconv1_act"),
        _shipped("convnets", "segmentation_convnet", _SEGMENTERS, smallest=32, multiple_of=8),
        _shipped("xception_unet", "xception_unet", _SEGMENTERS, smallest=32),
        _shipped("linear", "linear", _POINTS),
    )
}

MODEL_NAMES: tuple[str, ...] = tuple(_SPECS)


def spec(name: str) -> ModelSpec:
    """What is known of an architecture; builds nothing, and imports nothing but what is outside.

    Args:
        name: one of `MODEL_NAMES`, an announced one, `keras.applications.<name>`, or the import
            path of a `build(image_size, classes, **own)` or of a `ModelSpec`.

    Raises:
        InputError: there is no such architecture.
    """
    if name in _SPECS:
        return _SPECS[name]
    if name.startswith(PREFIX):
        check_backbone(name, _KEY)
        builder = f"{__name__}.pretrained:application"
        return ModelSpec(name, builder, _CLASSIFIERS, fine_tune_from=FINE_TUNED_SHARE)
    path = extension.resolve(name, dict.fromkeys(_SPECS, ""), kind="models", key=_KEY)
    found = extension.load(path, key=_KEY)
    if isinstance(found, ModelSpec):
        known = dataclasses.replace(found, name=name)
        found = extension.load(known.builder, key=_KEY)
    else:
        known = ModelSpec(name, path)
    takes = ("image_size", "classes")
    extension.check_function(found, known.builder, key=_KEY, takes=takes, own=True)
    return known


def sources(name: str) -> tuple[str, ...]:
    """Dotted modules whose code builds an architecture; see `spec` for its name."""
    paths = [spec(name).builder]
    if name not in _SPECS and not name.startswith(PREFIX):
        # Where it is described may be elsewhere than where it is built.
        paths.append(extension.resolve(name, {}, kind="models", key=_KEY))
    return tuple(dict.fromkeys(map(extension.module_of, paths)))


def build(name: str, image_size: int | None, classes: int, **args: Any) -> "keras.Model":
    """Builds an architecture with fresh weights, not compiled.

    Weights and dropout follow `keras.utils.set_random_seed`.

    Args:
        name: see `spec`.
        image_size: side of the square input in pixels; None where there are no pictures.
        classes: how many, at least 2.
        **args: the architecture's own arguments.

    Returns:
        A functional model from float32 [batch, image_size, image_size, 3], RGB in [0, 255], to
        float32 probabilities that sum to 1, [batch, classes] or of masks
        [batch, image_size, image_size, classes]; of points from float32 [batch, 2] to float32
        [batch, 1], the score.

    Raises:
        InputError: unknown name or argument, a value of the wrong type or range, a size that
            the architecture cannot take, or a model of another output.
    """
    known = spec(name)
    builder = extension.load(known.builder, key=_KEY)
    if name.startswith(PREFIX):
        builder = builder(name)
    _check_arguments(name, builder, args)
    _check_size(known, image_size)
    model: keras.Model = builder(image_size, classes, **args)
    if image_size is not None:
        _check_shapes(model, known, image_size, classes)
    return model


def explained_layers(model: "keras.Model", spec: ModelSpec) -> tuple[str, str]:
    """The layers of a picture model of `build` between which an explanation looks.

    Returns:
        The layer that Grad-CAM explains, `spec.grad_cam_layer` or, where the model has none of that
        name, the last one before the logits that still gives a map; and the layer of the logits.

    Raises:
        InputError: there is no layer of the logits, or none that gives a map.
    """
    names = [layer.name for layer in model.layers]
    if spec.logits_layer not in names:
        raise InputError(
            f"model '{spec.name}'",
            expected=f"a layer '{spec.logits_layer}', linear, whose scores the output is made of",
            found="none of that name",
            todo="name it so, and leave sigmoid or softmax to a layer of its own",
        )
    if spec.grad_cam_layer in names:
        return spec.grad_cam_layer, spec.logits_layer
    before = model.layers[: names.index(spec.logits_layer)]
    maps = [layer.name for layer in before if gives_map(layer)]
    if not maps:
        raise InputError(
            f"model '{spec.name}'",
            expected="a layer before the logits with an output [batch, height, width, channels]",
            found="none",
            todo=f"put a keras.layers.Identity named '{spec.grad_cam_layer}' behind the last map",
        )
    return maps[-1], spec.logits_layer


def gives_map(layer: Any) -> bool:
    """Whether a model can be cut at its map; what is in a model inside is of another graph."""
    if type(layer).__name__ == "InputLayer" or hasattr(layer, "layers"):
        return False
    return len(getattr(layer.output, "shape", ())) == 4


def _check_size(spec: ModelSpec, size: int | None) -> None:
    if size is None or (size >= spec.smallest and size % spec.multiple_of == 0):
        return
    multiple = f" and a multiple of {spec.multiple_of}" if spec.multiple_of > 1 else ""
    raise InputError(
        f"trainer.image_size for {spec.name}",
        expected=f"at least {spec.smallest}{multiple}",
        found=str(size),
        todo=f"try {max(spec.smallest, -(-size // spec.multiple_of) * spec.multiple_of)}",
    )


def _check_shapes(model: Any, spec: ModelSpec, size: int, classes: int) -> None:
    """Refuses a picture model of other inputs or outputs than told in `build`."""
    takes = (None, size, size, 3)
    gives = [(None, classes), (None, size, size, classes)]
    for what, found, fitting in (
        ("input", getattr(model, "input_shape", None), [takes]),
        ("output", getattr(model, "output_shape", None), gives),
    ):
        if found not in fitting:
            raise InputError(
                f"model '{spec.name}'",
                expected=f"an {what} of shape {' or '.join(map(str, fitting))} "
                f"for {classes} classes",
                found=f"{found}" if found else type(model).__name__,
            )
    explained_layers(model, spec)


def _check_arguments(name: str, builder: Callable[..., Any], args: dict[str, Any]) -> None:
    parameters = dict(inspect.signature(builder).parameters)
    for given in ("image_size", "classes"):
        parameters.pop(given, None)
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key, value in args.items():
        if key not in parameters:
            if anything:
                continue
            raise InputError(
                f"trainer.model_args.{key}",
                expected=f"an argument of {name} ({', '.join(parameters) or 'it has none'})",
                found="an unknown one",
                todo=nearest(key, parameters),
            )
        kind = parameters[key].annotation
        # An int is a fine float; a bool, which Python counts as an int, is not a number here.
        fitting = {float: (float, int)}.get(kind, (kind,))
        if kind in (bool, int, float, str) and type(value) not in fitting:
            raise InputError(
                f"trainer.model_args.{key}", expected=f"a {kind.__name__}", found=repr(value)
            )
