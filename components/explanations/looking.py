"""The work of `pawlens visualize`: pictures of what a model learned, as PNG files."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib import colormaps
from PIL import Image

from components.explanations import load_explanation
from components.explanations.activations import activations, grid, spatial_layers, standardised
from components.explanations.cutting import check_layer, explainable, split_model
from components.explanations.filters import Ascent, drawn, patterns
from components.explanations.methods import heatmaps
from components.explanations.opening import Opened, read_image, safe_name
from components.explanations.overlay import blend
from components.export.flip_averaging import flip_averaged
from components.extension import calling
from components.tasks import get_task
from serving.classes import Classes
from serving.errors import InputError, check_one_of, nearest

LEAST = 48  # pixels that a channel is drawn at least, about
CROP = 25  # pixels of a pattern's border, as in the book; less of small models


def draw_activations(
    opened: Opened, image: Path, output: Path, *, layer: str = "", channel: int | None = None
) -> list[Path]:
    """What layers answer to a picture: a grid for each, or one channel at its own size.

    Returns:
        The files written: `<image>_<number>_<layer>.png`, and `<image>_depth.png` of all layers.

    Raises:
        InputError: an unreadable picture, no such layer or channel.
    """
    names = [_layer(opened.model, layer)] if layer else spatial_layers(opened.model)
    if not names:
        raise InputError(opened.where, expected="a layer that convolves or pools", found="none")
    chosen = [_channels(opened.model, name, channel) for name in names]
    pixels = read_image(image, opened.side) * (opened.value_range / 255.0)
    pictures = _Pictures(output)
    found = list(activations(opened.model, pixels, names))
    for number, (one, channels) in enumerate(zip(found, chosen, strict=True), start=1):
        tiles = [_enlarged(standardised(one.values[..., index])) for index in channels]
        name = f"{image.stem}_{number:02d}_{one.layer}"
        pictures.save(name, "" if channel is None else f"_{channel}", grid(tiles))
        dead = int(one.dead.sum())
        print(
            f"{one.layer}: {one.values.shape[-1]} channels of {one.values.shape[0]} x"
            f" {one.values.shape[1]}, {dead} dead, {one.sparsity:.0%} of the values not above 0"
        )
    if len(found) > 1:
        shares = [float(one.dead.mean()) for one in found], [one.sparsity for one in found]
        _draw_depth([one.layer for one in found], *shares, pictures.place(image.stem, "_depth"))
    return pictures.written


def draw_filters(
    opened: Opened, layer: str, output: Path, *, chosen: Sequence[int] = (), how: Ascent
) -> list[Path]:
    """What the filters of a layer look for, those `chosen` or the first 64, 8 in a row.

    Raises:
        InputError: no such layer or filter.
    """
    layer = _layer(opened.model, layer)
    wanted = [_channels(opened.model, layer, index)[0] for index in chosen]
    wanted = wanted or list(_channels(opened.model, layer, None))[:64]
    side, pictures = opened.side, _Pictures(output)
    found = patterns(opened.model, layer, wanted, side=side, how=how)
    crop = min(CROP, side // 8)
    tiles = [drawn(pattern, crop) for pattern in found]
    pictures.save(layer, "_filters", grid(tiles, per_row=8))
    return pictures.written


def draw_class_activation(
    opened: Opened,
    images: Sequence[Path],
    output: Path,
    *,
    classes: Sequence[int] = (),
    layer: str = "",
    method: str = "",
    colors: str = "jet",
) -> list[Path]:
    """Heatmap and overlay of each picture and class, and all of its classes side by side.

    Args:
        classes: indices; empty: the one that the endpoint explains.
        layer: to look at; empty: the model's own.
        method: name or import path; empty: that of the model's endpoint.
        colors: of matplotlib's maps.
    """
    check_one_of("--colors", colors, list(colormaps))
    model, masks = opened.model, len(opened.model.output.shape) == 4
    names = opened.classes or tuple(f"class_{index}" for index in range(model.output.shape[-1]))
    task = get_task("image_segmentation" if masks else "image_classification")
    part: Any = task.export(Classes(names))
    layer = layer or opened.explained or next(reversed(explainable(model, opened.logits)), "")
    layer = _layer(model, layer, opened.logits)
    trunk, head = split_model(model, layer, opened.logits)
    if opened.test_time_flip:
        trunk, head = flip_averaged(trunk, head)
    key = "--method" if method else f"explanation in {opened.where}"
    explain = load_explanation(method or opened.explanation, key, flip=opened.explanation_flip)
    read = [read_image(image, opened.side) for image in images]
    pictures = _Pictures(output)
    for image, pixels in zip(images, read, strict=True):
        batch = tf.constant(pixels[None] * (opened.value_range / 255.0))
        _, probabilities = head(trunk(batch, training=False), training=False)
        wanted = list(classes) or part.choose(probabilities, tf.constant([-1])).numpy().tolist()
        overlays = []
        for index in wanted:
            chosen = tf.constant([index], tf.int32)
            maps, _ = explain(trunk, head, batch, partial(part.score, chosen=chosen))
            heat = heatmaps(maps, batch.shape[1:3])[0]
            overlays.append(blend(tf.constant(pixels), heat, colors).numpy())
            name = f"{image.stem}_{names[index]}"
            pictures.save(name, "_heatmap", (heat.numpy() * 255).astype(np.uint8))
            pictures.save(name, "_overlay", overlays[-1])
            print(f"{image}: {names[index]} {part.probability(probabilities, chosen)[0]:.3f}")
        if len(wanted) > 1:
            pictures.save(image.stem, "_classes", grid(overlays))
    return pictures.written


def class_indices(opened: Opened, told: Sequence[str]) -> list[int]:
    """Classes by name or index.

    Raises:
        InputError: there is none of that name or index.
    """
    count = int(opened.model.output.shape[-1])
    found = []
    for text in told:
        if text in opened.classes:
            found.append(opened.classes.index(text))
        elif text.isdecimal() and int(text) < count:
            found.append(int(text))
        else:
            raise InputError(
                "--class",
                expected=f"0 to {count - 1}" + (" or a name" if opened.classes else ""),
                found=f"'{text}'",
                todo=nearest(text, opened.classes),
            )
    return found


def _layer(model: keras.Model, told: str, logits: str = "") -> str:
    check_layer(model, safe_name(told), logits, "--layer")
    return safe_name(told)


def _channels(model: keras.Model, layer: str, channel: int | None) -> Sequence[int]:
    count = model.get_layer(layer).output.shape[-1]
    if channel is None:
        return range(count)
    if not 0 <= channel < count:
        raise InputError(f"layer {layer}", expected=f"0 to {count - 1}", found=str(channel))
    return [channel]


def _draw_depth(
    layers: Sequence[str], dead: Sequence[float], sparse: Sequence[float], path: Path
) -> None:
    """Draws a PNG: by layer, from the input on, the shares of dead channels and of values of 0."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 0.28 * len(layers)), 4.2), layout="constrained")
    panel = figure.subplots()
    panel.plot(sparse, marker="o", ms=3, label="values not above 0")
    panel.plot(dead, marker="o", ms=3, label="dead channels")
    panel.set_xticks(range(len(layers)), layers, rotation=90, fontsize=7)
    panel.set_ylim(-0.02, 1.02)
    panel.set_ylabel("share")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(path, dpi=120)


def _enlarged(tile: np.ndarray) -> np.ndarray:
    """The same in whole pixels, large enough to be seen."""
    times = max(1, LEAST // len(tile))
    return tile.repeat(times, axis=0).repeat(times, axis=1)


class _Pictures:
    """PNG files in one folder, no two of the same name."""

    def __init__(self, folder: Path):
        with calling(str(folder), "--output", "a folder to write to"):
            folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.written: list[Path] = []

    def place(self, name: str, ending: str) -> Path:
        """Where the next one goes: cut, as file systems take 255 bytes, or numbered if taken."""
        cut = re.sub(r"[^\w.-]+", "_", name).encode()[:200].decode(errors="ignore")
        path, number = self.folder / f"{cut}{ending}.png", 1
        while path in self.written:
            number += 1
            path = self.folder / f"{cut}{ending}_{number}.png"
        self.written.append(path)
        return path

    def save(self, name: str, ending: str, pixels: np.ndarray) -> None:
        """Writes uint8 [height, width] or [height, width, 3]."""
        Image.fromarray(pixels).save(self.place(name, ending))
