"""One drawn picture and its exact trimap."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from components.datasets import anatomy, scenery

FOREGROUND, BACKGROUND, CONTOUR = 1, 2, 3  # values of a trimap on disk
CONTOUR_RADIUS = 2  # pixels on either side of the outline
SHORTCUTS = ("corner", "beside", "body")  # where a mark may give the class away

_MARK_SHARE = 0.1  # of the shorter side, the mark's diameter
_HUE_STEP = 150  # degrees from class to class: far apart, and none twice in 12 classes

_OVER = 2  # shapes are drawn this many times larger and averaged down, for smooth edges


def draw(
    rng: np.random.Generator, label: int, size: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
    """Draws an animal somewhere in a busy scene.

    The label, an index into `anatomy.NAMES`, decides the shapes and nothing else.

    Returns:
        The image (RGB) and its silhouette (8-bit grey, 255 on the animal and 0 elsewhere), both of
        that width and height. What stands before the animal is not part of the silhouette.
    """
    animal = _placed(rng, anatomy.make_animal(rng, label), size)
    large = (size[0] * _OVER, size[1] * _OVER)
    silhouette, shade = Image.new("L", large), Image.new("L", large, 128)
    ink, shader = ImageDraw.Draw(silhouette), ImageDraw.Draw(shade)
    for outline, brightness in animal.fur:
        corners = (outline * _OVER).tolist()
        ink.polygon(corners, fill=255)
        shader.polygon(corners, fill=int(128 * brightness))
        shader.line([*corners, corners[0]], fill=int(128 * brightness * 0.62), width=3)
    details, where = Image.new("RGB", large), Image.new("L", large)
    painter, marker = ImageDraw.Draw(details), ImageDraw.Draw(where)
    for outline, colour in animal.details:
        corners = (outline * _OVER).tolist()
        painter.polygon(corners, fill=colour)
        marker.polygon(corners, fill=255)

    image = scenery.background(rng, size)
    relief = np.asarray(shade.reduce(_OVER), dtype=np.float32)[..., None] / 128
    coat = np.clip(scenery.fur(rng, size) * relief, 0, 255).astype(np.uint8)
    pet = Image.composite(details.reduce(_OVER), Image.fromarray(coat), where.reduce(_OVER))
    if rng.random() < 0.4:
        _occlude(rng, image, silhouette, animal)
    coverage = silhouette.reduce(_OVER)
    image.paste(pet, mask=coverage)
    return scenery.lit(rng, image), coverage.point(lambda share: 255 if share >= 128 else 0)


def add_shortcut(
    rng: np.random.Generator, image: Image.Image, silhouette: Image.Image, label: int, where: str
) -> None:
    """Paints a small disc with a white rim, of a hue that gives the class away, into a picture.

    Args:
        rng: chooses among the places that do.
        image, silhouette: of `draw`; the image is changed.
        label: index of the class.
        where: of `SHORTCUTS`: the `corner` farthest from the animal; `beside` the animal, next to
            the contour of its trimap; on its `body`, within that contour. Where there is no room
            for it, the nearest to that.
    """
    from scipy.ndimage import distance_transform_edt

    radius = round(min(image.size) * _MARK_SHARE / 2)
    edge = 2 * radius  # of centres: the disc stays in view where a training shifts the picture
    animal = np.pad(np.asarray(silhouette) > 0, 1)  # all animal, or none, has an edge outside, too
    distance = (distance_transform_edt(~animal) - distance_transform_edt(animal))[1:-1, 1:-1]
    centres = distance[edge:-edge, edge:-edge]
    reach = radius + 2 * CONTOUR_RADIUS  # from the outline: the contour's corners are that far
    misfit = {
        "corner": -centres[:: len(centres) - 1, :: centres.shape[1] - 1],
        "beside": abs(centres - reach),
        "body": np.maximum(centres + reach, 0),
    }[where]
    row, column = rng.choice(np.argwhere(misfit <= misfit.min() + 0.5))
    if where == "corner":
        row, column = row * (len(centres) - 1), column * (centres.shape[1] - 1)
    middle = np.array([column, row]) + edge
    ImageDraw.Draw(image).ellipse(
        [*(middle - radius), *(middle + radius)],
        fill=f"hsv({label * _HUE_STEP % 360}, 100%, 90%)",
        outline="white",
    )


def trimap(silhouette: Image.Image) -> Image.Image:
    """The trimap of a silhouette: a band of contour along the outline, as Oxford-IIIT Pet has it.

    8-bit grey of the same size, values FOREGROUND, BACKGROUND and CONTOUR. The band is
    CONTOUR_RADIUS pixels wide on either side, so foreground never touches background.
    """
    window = 2 * CONTOUR_RADIUS + 1
    inside = np.asarray(silhouette.filter(ImageFilter.MinFilter(window))) == 255
    outside = np.asarray(silhouette.filter(ImageFilter.MaxFilter(window))) == 0
    values = np.select([inside, outside], [FOREGROUND, BACKGROUND], CONTOUR)
    return Image.fromarray(values.astype(np.uint8))


def _placed(
    rng: np.random.Generator, animal: anatomy.Animal, size: tuple[int, int]
) -> anatomy.Animal:
    """The animal in pixels: mirrored, turned, scaled and moved at random, its head in view."""
    extent = np.array(size, dtype=np.float64)
    mirror = np.array([rng.choice([-1.0, 1.0]), 1.0])
    degrees = rng.normal(0, 12)

    def turned(points: np.ndarray) -> np.ndarray:
        return anatomy.rotated(points * mirror, degrees)

    everything = np.concatenate([turned(outline) for outline, _ in animal.fur])
    low, high = everything.min(axis=0), everything.max(axis=0)
    scale = rng.uniform(0.6, 1.1) * float((extent / (high - low)).min())
    scale = max(scale, 0.15 * float(extent.min()))  # or the ears are too few pixels to tell
    slack = extent - (high - low) * scale
    corner = rng.random(2) * slack  # negative slack: a part of the animal is cut off
    margin = np.minimum(1.1 * scale, 0.5 * extent)
    head = np.clip(corner - low * scale, margin, extent - margin)
    return anatomy.Animal(
        fur=[(turned(outline) * scale + head, shade) for outline, shade in animal.fur],
        details=[(turned(outline) * scale + head, colour) for outline, colour in animal.details],
    )


def _occlude(
    rng: np.random.Generator, image: Image.Image, silhouette: Image.Image, animal: anatomy.Animal
) -> None:
    """Puts one or two small things before the animal, and takes them out of its silhouette.

    They are painted before the animal is, which then leaves them free: so its share of every
    pixel is the silhouette's, and the trimap is exact.
    """
    cover = Image.new("L", silhouette.size)
    ink = ImageDraw.Draw(cover)
    everything = np.concatenate([outline for outline, _ in animal.fur]) * _OVER
    reach = 0.1 * min(silhouette.size)
    for _ in range(int(rng.integers(1, 3))):
        at = everything[rng.integers(len(everything))]
        corners = at + rng.uniform(-reach, reach, (int(rng.integers(3, 7)), 2))
        ink.polygon(corners.tolist(), fill=255)
    colour = scenery.coat(rng, 1)[0].astype(int).tolist()
    image.paste(tuple(colour), mask=cover.reduce(_OVER))
    silhouette.paste(ImageChops.subtract(silhouette, cover))
