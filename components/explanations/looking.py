"""The work of `pawlens visualize`: pictures of what a model learned, as PNG files."""

import re
from collections.abc import Iterable, Sequence
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
from components.explanations.opening import Opened, read_image
from components.explanations.overlay import blend
from components.export.flip_averaging import flip_averaged
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
    names = [_checked(opened.model, layer)] if layer else spatial_layers(opened.model)
    pixels = read_image(image, opened.side) * (opened.value_range / 255.0)
    found = list(activations(opened.model, pixels, names))
    written = []
    for number, one in enumerate(found, start=1):
        chosen = _channels(one.values.shape[-1], channel, one.layer)
        tiles = [_enlarged(standardised(one.values[..., index])) for index in chosen]
        name = f"{image.stem}_{number:02d}_{one.layer}" + ("" if channel is None else f"_{channel}")
        written.append(_save(output, name, grid(tiles)))
        dead = int(one.dead.sum())
        print(
            f"{one.layer}: {one.values.shape[-1]} channels of {one.values.shape[0]} x"
            f" {one.values.shape[1]}, {dead} dead, {one.sparsity:.0%} of the values not above 0"
        )
    if len(found) > 1:
        shares = [float(one.dead.mean()) for one in found], [one.sparsity for one in found]
        written.append(_place(output, f"{image.stem}_depth"))
        _draw_depth([one.layer for one in found], *shares, written[-1])
    return written


def draw_filters(
    opened: Opened,
    layer: str,
    output: Path,
    *,
    chosen: Sequence[int] = (),
    count: int = 64,
    how: Ascent,
) -> list[Path]:
    """What the filters of a layer look for, 8 in a row.

    Args:
        opened: the model.
        layer: its name.
        output: folder of the picture.
        chosen: indices; empty: the first `count`.
        count: how many where none are chosen.
        how: see there.

    Raises:
        InputError: no such layer or filter.
    """
    _checked(opened.model, layer)
    channels = opened.model.get_layer(layer).output.shape[-1]
    for index in chosen:
        _channels(channels, index, layer)
    wanted = list(chosen) or list(range(min(count, channels)))
    side = opened.side
    found = patterns(opened.model, layer, wanted, side=side, how=how)
    crop = min(CROP, side // 8)
    tiles = [drawn(pattern, crop) for pattern in found]
    return [_save(output, f"{layer}_filters", grid(tiles, per_row=8))]


def draw_class_activation(
    opened: Opened,
    images: Iterable[Path],
    output: Path,
    *,
    classes: Sequence[int] = (),
    layer: str = "",
    method: str = "",
    colors: str = "jet",
) -> list[Path]:
    """Heatmap and overlay of each picture and class, and all of its classes side by side.

    Args:
        opened: the model.
        images: the pictures.
        output: folder.
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
    check_layer(model, layer, opened.logits, "--layer")
    trunk, head = split_model(model, layer, opened.logits)
    if opened.test_time_flip:
        trunk, head = flip_averaged(trunk, head)
    explain = load_explanation(
        method or opened.explanation, "--method", flip=opened.explanation_flip
    )
    written = []
    for image in images:
        pixels = read_image(image, opened.side)
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
            written.append(_save(output, f"{name}_heatmap", (heat.numpy() * 255).astype(np.uint8)))
            written.append(_save(output, f"{name}_overlay", overlays[-1]))
            print(f"{image}: {names[index]} {part.probability(probabilities, chosen)[0]:.3f}")
        if len(wanted) > 1:
            written.append(_save(output, f"{image.stem}_classes", grid(overlays)))
    return written


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


def _checked(model: keras.Model, layer: str) -> str:
    """The name of a layer that gives maps.

    Raises:
        InputError: there is none of that name; tells the nearest, and which ones there are.
    """
    possible = [one.name for one in model.layers if len(getattr(one.output, "shape", ())) == 4]
    if layer not in possible:
        told = spatial_layers(model)
        raise InputError(
            "--layer",
            expected=f"a layer that gives a map, such as {', '.join(told[:3] + told[-3:])}",
            found=f"'{layer}'",
            todo=nearest(layer, possible),
        )
    return layer


def _channels(count: int, channel: int | None, layer: str) -> Sequence[int]:
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


def _save(folder: Path, name: str, pixels: np.ndarray) -> Path:
    path = _place(folder, name)
    Image.fromarray(pixels).save(path)
    return path


def _place(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / (re.sub(r"[^\w.-]+", "_", name) + ".png")
