"""Draws the report's images: small, and inside the page as `data:` URIs."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from components import preprocessing
from components.datasets.pictures import encode, fit
from serving.classes import Color

# Longest side of a picture on the page; twice the drawn size stays sharp on dense screens.
THUMBNAIL_SIDE = 240
CURVES_SIDE = 1200
JPEG_QUALITY = 80

IGNORED_COLOR: Color = (127, 127, 127)  # of pixels whose value is no class


@dataclass(frozen=True)
class Figure:
    """One image of the page."""

    src: str  # a `data:` URI
    width: int  # pixels
    height: int
    alt: str  # what a reader who does not see it has to know
    caption: str = ""  # a word or two below it


def draw_picture(encoded: bytes, size: tuple[int, int]) -> np.ndarray:
    """Decodes as the model does and gives the picture back its own shape.

    Takes also the square image that a signature made of one. `size` is width and height in pixels
    of the result, uint8 [height, width, 3], RGB.
    """
    square = preprocessing.decode_image(encoded, max(size)).numpy()
    pixels = np.clip(np.rint(square), 0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def draw_mask(mask: np.ndarray, size: tuple[int, int], colors: Sequence[Color]) -> np.ndarray:
    """Colors a mask uint8 [rows, columns] of class ids; see `draw_picture` for the result.

    It is `IGNORED_COLOR` where an id is no class.
    """
    table = np.full((256, 3), IGNORED_COLOR, np.uint8)
    table[: len(colors)] = colors
    return table[_resize_mask(mask, size)]


def draw_mask_over(
    picture: np.ndarray, mask: np.ndarray, colors: Sequence[Color], opacities: Sequence[float]
) -> np.ndarray:
    """Lays a mask over its picture, as strongly as each class's opacity in [0, 1] says.

    What is no class leaves it bare. See `draw_picture` and `draw_mask` for shapes.
    """
    size = (picture.shape[1], picture.shape[0])
    table = np.zeros(256)
    table[: len(opacities)] = opacities
    opacity = table[_resize_mask(mask, size)][..., None]
    blend = picture * (1 - opacity) + draw_mask(mask, size, colors) * opacity
    return np.rint(blend).astype(np.uint8)


def photo(pixels: np.ndarray, alt: str, caption: str = "") -> Figure:
    """Packs RGB pixels as a JPEG."""
    data = encode(Image.fromarray(pixels), "JPEG", quality=JPEG_QUALITY, optimize=True)
    return _figure(data, "jpeg", pixels.shape, alt, caption)


def chart(pixels: np.ndarray, alt: str, caption: str = "") -> Figure:
    """Packs RGB pixels of few colors as a PNG."""
    data = encode(Image.fromarray(pixels).quantize(256), "PNG", optimize=True)
    return _figure(data, "png", pixels.shape, alt, caption)


def curves(png: bytes, alt: str) -> Figure:
    """Packs the trainer's chart, shrunk where it is wide, on white."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    size = fit(*image.size, CURVES_SIDE)
    return chart(np.asarray(page.convert("RGB").resize(size, Image.Resampling.LANCZOS)), alt)


def _resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _figure(data: bytes, kind: str, shape: tuple[int, ...], alt: str, caption: str) -> Figure:
    src = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Figure(src, width=shape[1], height=shape[0], alt=alt, caption=caption)
