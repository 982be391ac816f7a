"""What is not shape: backgrounds, fur, light and noise, drawn alike for all classes.

`rng` is the source of all chance, `size` is width and height in pixels.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_COATS = np.array(
    [
        (48, 44, 42),  # black
        (120, 120, 126),  # grey
        (222, 217, 208),  # white
        (200, 122, 60),  # ginger
        (108, 74, 50),  # brown
        (216, 186, 142),  # cream
        (168, 134, 94),  # sand
    ],
    dtype=np.float32,
)


def background(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """A busy RGB image of random shapes."""
    cells = _colours(rng, int(rng.integers(4, 30))).reshape(-1, 3)
    columns = int(rng.integers(2, 6))
    grid = np.resize(cells, (max(1, len(cells) // columns), columns, 3)).astype(np.uint8)
    sharp = Image.Resampling.NEAREST if rng.random() < 0.25 else Image.Resampling.BICUBIC
    image = Image.fromarray(grid).resize(size, sharp)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 14))):
        _shape(rng, draw, np.array(size))
    blur = rng.uniform(-0.5, 2.0)
    return image.filter(ImageFilter.BoxBlur(blur)) if blur > 0 else image


def _colours(rng: np.random.Generator, count: int) -> np.ndarray:
    """Coat-like and free colours mixed, float32 [count, 3], in [0, 255]."""
    free = rng.uniform(30, 225, (count, 3))
    coats = coat(rng, count)
    return np.where(rng.random((count, 1)) < 0.5, free, coats).astype(np.float32)


def coat(rng: np.random.Generator, count: int) -> np.ndarray:
    """Colours an animal may have, float32 [count, 3], in [0, 255]."""
    colours = _COATS[rng.integers(len(_COATS), size=count)]
    lighter = rng.normal(0, 16, (count, 1)) + rng.normal(0, 6, (count, 3))
    return np.clip(colours + lighter, 12, 245).astype(np.float32)


def _shape(rng: np.random.Generator, draw: ImageDraw.ImageDraw, extent: np.ndarray) -> None:
    centre = rng.random(2) * extent
    reach = rng.uniform(0.05, 0.35) * extent.min()
    colour = tuple(int(value) for value in _colours(rng, 1)[0])
    kind = rng.integers(4)
    if kind == 0:
        radii = reach * rng.uniform(0.4, 1.0, 2)
        draw.ellipse([*(centre - radii), *(centre + radii)], fill=colour)
    elif kind == 1:
        corners = centre + rng.uniform(-reach, reach, (int(rng.integers(3, 6)), 2))
        draw.polygon(corners.tolist(), fill=colour)
    elif kind == 2:
        end = rng.random(2) * extent
        draw.line([*centre, *end], fill=colour, width=int(rng.integers(2, 9)))
    else:
        draw.rectangle(
            [*(centre - reach), *(centre + reach * rng.uniform(0.2, 1.0, 2))], fill=colour
        )


def fur(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A coat, plain, striped or patched, with hairs: float32 [height, width, 3], in about 0-255."""
    first, second = coat(rng, 2)
    pattern = rng.choice(["plain", "stripes", "patches"])
    if pattern == "plain":
        share = 0.25 * _waves(rng, size, 6)
    elif pattern == "stripes":
        y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
        angle = rng.uniform(0, np.pi)
        phase = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / rng.uniform(9, 22))
        share = np.clip(0.5 + 1.5 * np.sin(phase + 5 * _waves(rng, size, 5)), 0, 1)
    else:
        share = np.clip(0.5 + 6 * (_waves(rng, size, int(rng.integers(3, 7))) - 0.5), 0, 1)
    share = share[..., None]
    hairs = Image.fromarray(rng.integers(0, 256, (size[1] // 2, size[0] // 2), dtype=np.uint8))
    grain = np.asarray(hairs.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) - 128
    return first * (1 - share) + second * share + 0.16 * grain[..., None]


def _waves(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise, float32 [height, width], in [0, 1]."""
    grid = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    smooth = grid.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32) / 255


def lit(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """The picture under random light: brightness, a slope of it, a colour cast, sensor noise."""
    width, height = image.size
    slope = rng.uniform(-0.35, 0.35, 2)
    x = np.linspace(-1, 1, width, dtype=np.float32) * slope[0]
    y = np.linspace(-1, 1, height, dtype=np.float32) * slope[1]
    light = rng.uniform(0.7, 1.25) * (1 + x[None, :] + y[:, None])
    cast = rng.uniform(0.85, 1.15, 3)
    pixels = np.asarray(image, dtype=np.float32) * (light[..., None] * cast).astype(np.float32)
    noise = rng.standard_normal((height, width, 1), dtype=np.float32) * np.float32(
        rng.uniform(1, 9)
    )
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))
