"""Batch norms folded into the layers around them: the same answers with less work.

A trained batch norm is `scale * x + shift` for each channel. Behind a convolution that nothing else
reads, both go into its kernel and bias (Jacob et al., "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference", 2018, section 3.2). Elsewhere, as where a residual
sum leads round it, it is written `scale * (x + offset)`. The offset goes back, through sums and
poolings, into the bias of one convolution, and whatever else reads what that moved takes it off
again. The scale goes on, through relu and poolings, which scale along where it is positive, into
the kernels behind. No kernel is divided by a scale, and no offset reaches a convolution that pads
with zeros, which are not moved along.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

# By layer the weight that makes its output, its axes, and which are the channels of the output; and
# the weight that meets its input. h, w: places, i, o: channels, m: outputs of each input's channel.
_MAKES = {
    layers.Dense: ("kernel", "io", "o"),
    layers.Conv2D: ("kernel", "hwio", "o"),
    layers.DepthwiseConv2D: ("kernel", "hwim", "im"),
    layers.SeparableConv2D: ("pointwise_kernel", "hwio", "o"),
}
_MEETS = _MAKES | {layers.SeparableConv2D: ("depthwise_kernel", "hwim", "im")}
_WEIGHTS = {"kernel", "depthwise_kernel", "pointwise_kernel", "bias"}
# What goes through as it comes, be it one offset or one scale for each channel.
_STEADY = (
    layers.MaxPooling2D,
    layers.GlobalAveragePooling2D,
    layers.UpSampling2D,
    layers.Cropping2D,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.Identity,
)
_LARGEST_OFFSET = 100.0  # in standard deviations of the channel; a larger one would cost digits


def fold_batch_norms(model: keras.Model, keep: Iterable[str] = ()) -> keras.Model:
    """A model of the same answers, to 1e-5, in which other layers do the work of batch norms.

    One that cannot be folded stays: before relu or pooling with a scale that is not positive, or
    where a layer in the way cannot take its part. A model with a layer that is called twice, or
    with a model inside, stays whole.

    Args:
        model: a functional one, float32; it is not changed. Its lambdas and layers of others, which
            may not be made anew from their configurations, are the result's, too.
        keep: names of layers whose outputs have to stay what they are.

    Returns:
        The model itself where nothing can be folded.
    """
    if any(hasattr(layer, "layers") for layer in model.layers):
        return model
    folding = _Folding(model, set(keep))
    if not folding.complete:
        return model
    all_of_them = set(folding.norms)
    for fold in (folding.backward, folding.around):
        for name, norm in list(folding.norms.items()):
            if fold(norm):
                del folding.norms[name]
    folded = all_of_them - folding.norms.keys()
    return folding.without(folded) if folded else model


class _Folding:
    """A model's graph, the batch norms that are left, and weights as they change, in float64."""

    def __init__(self, model: keras.Model, keep: set[str]):
        self.model = model
        self.makers, self.kept = {}, {id(tensor) for tensor in model.outputs}
        self.readers: dict[int, list[Any]] = defaultdict(list)
        for operation in model.operations:
            for tensor in keras.tree.flatten(operation.output):
                self.makers[id(tensor)] = operation
                self.kept |= {id(tensor)} if operation.name in keep else set()
            if type(operation) is not layers.InputLayer:
                for tensor in keras.tree.flatten(operation.input):
                    self.readers[id(tensor)].append(operation)
        # A layer that is called again has outputs that are not found by it.
        self.complete = self.kept | self.readers.keys() <= self.makers.keys()
        self.norms = {
            one.name: one
            for one in model.layers
            if type(one) is layers.BatchNormalization and one.axis in (-1, one.input.ndim - 1)
            if one.name not in keep
        }
        self.weights = {
            layer.name: {one.name: np.asarray(one, np.float64) for one in layer.weights}
            for layer in model.layers
            if type(layer) in _MAKES or layer.name in self.norms
        }

    def backward(self, norm: Any) -> bool:
        """Folds it into the layer right before, if nothing else reads that."""
        maker = self.makers[id(norm.input)]
        alone = len(self.readers[id(norm.input)]) == 1 and id(norm.input) not in self.kept
        if not alone or not self._is_linear(maker):
            return False
        scale, shift = self._affine(norm)
        name, axes, made = _MAKES[type(maker)]
        self._scale(maker, name, axes, made, scale)
        weights = self.weights[maker.name]
        weights["bias"] = weights.get("bias", 0.0) * scale + shift
        return True

    def around(self, norm: Any) -> bool:
        """Folds the offset into a layer further back, the scale into those behind."""
        scale, shift = self._affine(norm)
        takers = self._readers_along(norm.output, _scales_along, self._is_plain)
        source = self._source(norm.input)
        if takers is None or source is None or not (scale > 0.0).all():
            return False
        offset, variance = shift / scale, self.weights[norm.name]["moving_variance"]
        moves_along = partial(_is_steady, more=(layers.Add,))
        moved = self._readers_along(source.output, moves_along, self._can_take_off)
        if moved is None or (np.abs(offset) > _LARGEST_OFFSET * np.sqrt(variance)).any():
            return False
        weights = self.weights[source.name]
        weights["bias"] = weights.get("bias", 0.0) + offset
        for reader in moved:
            self._take_off(reader, offset)
        for taker in takers:
            name, axes, _ = _MEETS[type(taker)]
            self._scale(taker, name, axes, "i", scale)
        return True

    def without(self, folded: set[str]) -> keras.Model:
        """The model anew, without these batch norms, with the weights as they are now."""

        def copy(operation: Any) -> Any:
            own = {"use_bias": True} if "bias" in self.weights.get(operation.name, ()) else {}
            if type(operation) is layers.Lambda or type(operation).__module__[:6] != "keras.":
                return operation
            return type(operation).from_config(operation.get_config() | own)

        def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
            given = [*args, *kwargs.values()]
            return given[0] if operation.name in folded else operation(*args, **kwargs)

        bare = keras.Model(self.model.input, self.model.output)  # without what it is trained by
        model = keras.models.clone_model(bare, clone_function=copy, call_function=call)
        for layer in filter(lambda one: one.weights, model.layers):
            if layer.name in self.weights:
                for weight in layer.weights:
                    weight.assign(self.weights[layer.name][weight.name])
                continue
            layer.set_weights(self.model.get_layer(layer.name).get_weights())
            if isinstance(layer, layers.Normalization):
                layer.finalize_state()  # it computes with what it made of its weights
        return model

    def _is_plain(self, operation: Any) -> bool:
        return (
            type(operation) in _MAKES
            and self.weights[operation.name].keys() <= _WEIGHTS
            and getattr(operation, "data_format", "channels_last") == "channels_last"
            and getattr(operation, "groups", 1) == 1
        )

    def _is_linear(self, operation: Any) -> bool:
        return self._is_plain(operation) and operation.activation is keras.activations.linear

    def _affine(self, norm: Any) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift of each channel, float64 [channels]."""
        weights = self.weights[norm.name]
        scale = weights.get("gamma", 1.0) / np.sqrt(weights["moving_variance"] + norm.epsilon)
        return scale, weights.get("beta", 0.0) - weights["moving_mean"] * scale

    def _scale(self, layer: Any, name: str, axes: str, of: str, scale: np.ndarray) -> None:
        """Multiplies a kernel by a number for each channel, which are its axes `of`."""
        kernel = self.weights[layer.name][name]
        shape = [size if axis in of else 1 for axis, size in zip(axes, kernel.shape, strict=True)]
        self.weights[layer.name][name] = kernel * scale.reshape(shape)

    def _readers_along(
        self, tensor: Any, passes: Callable[[Any], bool], takes: Callable[[Any], bool]
    ) -> list[Any] | None:
        """The layers that take a change of this tensor, through all that passes it on.

        None: one that the change reaches can do neither, or it would meet itself in a sum.
        """
        reached, takers = [id(tensor)], []
        for one in reached:  # which grows on the way
            if one in self.kept:
                return None
            for reader in self.readers[one]:
                if takes(reader):
                    takers.append(reader)
                elif passes(reader) and id(reader.output) not in reached:
                    reached.append(id(reader.output))
                else:
                    return None
        return takers

    def _source(self, tensor: Any) -> Any:
        """A layer before whose bias moves the tensor, with others or alone; None: there is none."""
        maker = self.makers[id(tensor)]
        if self._is_linear(maker):
            return maker
        if _is_steady(maker):
            return self._source(maker.input)
        if type(maker) is layers.Add:  # which may stretch what has one channel
            whole = [one for one in reversed(maker.input) if one.shape[-1] == tensor.shape[-1]]
            return next(filter(None, map(self._source, whole)), None)
        return None

    def _can_take_off(self, reader: Any) -> bool:
        if reader.name in self.norms:
            return True
        if not self._is_plain(reader):
            return False
        return getattr(reader, "padding", "valid") == "valid" or set(reader.kernel_size) == {1}

    def _take_off(self, reader: Any, offset: np.ndarray) -> None:
        """Makes a reader answer as if its input were not moved by the offset, [channels]."""
        weights = self.weights[reader.name]
        if reader.name in self.norms:
            weights["moving_mean"] = weights["moving_mean"] + offset
            return
        name, axes, made = _MEETS[type(reader)]
        more = np.einsum(f"{axes},i->{made}", weights[name], offset).ravel()
        if type(reader) is layers.SeparableConv2D:
            more = more @ weights["pointwise_kernel"][0, 0]
        weights["bias"] = weights.get("bias", 0.0) - more


def _is_steady(operation: Any, more: tuple[type, ...] = ()) -> bool:
    last = getattr(operation, "data_format", "channels_last") == "channels_last"
    return type(operation) in (*_STEADY, *more) and last


def _scales_along(operation: Any) -> bool:
    """Whether an output scales as the input does, by what is positive."""
    activation = type(operation) is layers.Activation and operation.activation
    return _is_steady(operation) or activation is keras.activations.relu
