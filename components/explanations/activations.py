"""What each layer answers to a picture: intermediate activations.

"Deep Learning with Python", 2nd edition, 9.4.1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np

PER_ROW = 16  # channels in a row of a grid
MEAN, DEVIATION = 128.0, 64.0  # of a drawn channel
_GAP = 1  # pixels between channels
_KINDS = (
    keras.layers.Conv2D,
    keras.layers.SeparableConv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
)


@dataclass(frozen=True)
class Activation:
    """What one layer gives for one picture."""

    layer: str
    values: np.ndarray  # float32 [height, width, channels]

    @property
    def dead(self) -> np.ndarray:
        """Whether each channel tells nothing, the same value everywhere: bool [channels]."""
        return np.ptp(self.values, axis=(0, 1)) == 0

    @property
    def sparsity(self) -> float:
        """Share of the values, in [0, 1], that are not above 0: which a ReLU gives as 0."""
        return float(np.mean(self.values <= 0))


def spatial_layers(model: keras.Model) -> list[str]:
    """The convolution and pooling layers of a functional model, in the order of its graph."""
    return [layer.name for layer in model.layers if isinstance(layer, _KINDS)]


def activations(
    model: keras.Model, image: np.ndarray, layers: Sequence[str]
) -> Iterator[Activation]:
    """Runs a picture through a model, once, and gives what its layers answer.

    Args:
        model: functional, from float32 [batch, height, width, 3].
        image: float32 [height, width, 3] in the model's own range.
        layers: names, in the order wanted.
    """
    seen = keras.Model(model.input, [model.get_layer(name).output for name in layers])
    answers = seen.predict(image[np.newaxis], verbose=0)
    for name, answer in zip(layers, answers if len(layers) > 1 else [answers], strict=True):
        yield Activation(name, np.asarray(answer)[0])


def standardised(channel: np.ndarray) -> np.ndarray:
    """A channel as grey levels of mean 128 and deviation 64, clipped; a dead one is black.

    Args:
        channel: float [height, width].

    Returns:
        uint8 [height, width].
    """
    values = channel.astype(np.float64)
    deviation = values.std()
    if np.ptp(channel) == 0 or deviation == 0:
        return np.zeros(channel.shape, np.uint8)
    return np.clip((values - values.mean()) / deviation * DEVIATION + MEAN, 0, 255).astype(np.uint8)


def grid(tiles: Sequence[np.ndarray], per_row: int = PER_ROW) -> np.ndarray:
    """Lays pictures of one size side by side, black between them and where none is left.

    Args:
        tiles: uint8, each [height, width] or each [height, width, 3].
        per_row: how many in a row.

    Returns:
        uint8, of as many dimensions.
    """
    height, width = tiles[0].shape[:2]
    columns = min(per_row, len(tiles))
    rows = -(-len(tiles) // columns)
    size = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP)
    canvas = np.zeros((*size, *tiles[0].shape[2:]), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * (height + _GAP), number % columns * (width + _GAP)
        canvas[top : top + height, left : left + width] = tile
    return canvas
