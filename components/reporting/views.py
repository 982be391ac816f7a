"""What a model sees: what its layers answer to one picture, and what its filters look for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image

from components.explanations.activations import activations, grid, spatial_layers, standardised
from components.explanations.filters import Ascent, drawn, patterns
from components.explanations.opening import Opened, open_model
from components.preprocessing import decode_image
from components.reporting import drawing, images
from components.reporting.choosing import evenly
from components.reporting.drawing import Figure
from components.reporting.images import StoredImage
from serving.errors import InputError

DEPTHS = 4  # sizes of maps of which a convolution is shown
CHANNELS = 8  # of a layer
PER_ROW = 4
TILE_SIDE = 96  # pixels of a drawn channel or pattern
CROP = 8  # a pattern's border that is cut off, as a share of its side, as the command has it


@dataclass(frozen=True)
class Views:
    """Pictures of a model's inside; without any, `problem` says why."""

    image: Figure | None = None  # that was looked at; None: the split is empty
    layers: list[Figure] = field(default_factory=list)
    filters: list[Figure] = field(default_factory=list)
    problem: str = ""


def look_into(folder: str, examples: Iterator[Any]) -> Views:
    """Looks with the SavedModel of a folder at the first of a split's parsed Examples of images."""
    try:
        opened = open_model(folder)
    except InputError as error:  # an older export, or layers that are not Keras's own
        _, _, why = str(error).partition(": ")  # without the path, another one in every run
        return Views(problem=f"It was exported without what makes its layers anew: {why}.")
    layers = map(opened.model.get_layer, spatial_layers(opened.model))
    # Others pool, or see no more than one place at once.
    convolutions = [one.name for one in layers if max(getattr(one, "kernel_size", (0,))) > 1]
    if not convolutions:
        return Views(problem="It has no convolution of its own that looks at more than a pixel.")
    image = next(map(StoredImage.of, examples), None)
    deep = dict.fromkeys(convolutions[share * len(convolutions) // 3] for share in (1, 2))
    return Views(
        image=None if image is None else images.picture(image, caption=image.filename),
        layers=[] if image is None else _answers(opened, image, convolutions),
        filters=[_filters(opened, name) for name in deep],
    )


def _answers(opened: Opened, image: StoredImage, convolutions: Sequence[str]) -> list[Figure]:
    """The first convolution of each of `DEPTHS` sizes of maps, in the order of the graph."""
    sizes = groupby(convolutions, key=lambda name: opened.model.get_layer(name).output.shape[1])
    chosen = evenly([next(layers) for _, layers in sizes], DEPTHS)
    pixels = decode_image(image.encoded, opened.side).numpy() * (opened.value_range / 255.0)
    figures = []
    for one in activations(opened.model, pixels, chosen):
        height, width, channels = one.values.shape
        shown = min(CHANNELS, channels)
        told = f"{one.layer}: {shown} of {channels} channels, {width} x {height} each"
        tiles = [standardised(one.values[..., channel]) for channel in range(shown)]
        figures.append(drawing.chart(_tiled(tiles), f"Activations of {told}", told))
    return figures


def _filters(opened: Opened, layer: str) -> Figure:
    """What the first filters of a layer answer to most."""
    channels = opened.model.get_layer(layer).output.shape[-1]
    shown, side = min(CHANNELS, channels), opened.side
    how = Ascent(value_range=opened.value_range)
    found = patterns(opened.model, layer, range(shown), side=side, how=how)
    told = f"{layer}: {shown} of {channels} filters"
    tiles = [drawn(pattern, side // CROP) for pattern in found]
    return drawing.photo(_tiled(tiles), f"Patterns of {told}", told)


def _tiled(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Side by side, small ones enlarged in whole blocks, large ones averaged."""
    how = Image.Resampling.NEAREST if len(tiles[0]) < TILE_SIDE else Image.Resampling.BOX
    resized = [Image.fromarray(tile).resize((TILE_SIDE, TILE_SIDE), how) for tile in tiles]
    return grid([np.asarray(tile) for tile in resized], PER_ROW)
