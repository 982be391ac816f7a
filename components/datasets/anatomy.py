"""The shapes of the drawn animals: what makes a cat a cat and a dog a dog, and nothing else.

Cats and dogs are drawn whole, the others by their faces alone. All coordinates are in head radii;
x to the right, y down, the middle of the head at (0, 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

POSES = ("face", "sitting", "lying", "standing")
_POSE_SHARES = (0.3, 0.3, 0.2, 0.2)  # the same for both classes

Colour = tuple[int, int, int]
EYES: tuple[Colour, ...] = ((60, 40, 25), (125, 150, 60), (95, 130, 165), (185, 140, 50))
DARK: Colour = (28, 22, 22)
PINK: Colour = (205, 130, 130)
WHITE: Colour = (245, 245, 240)

_PETS = ("cat", "dog")
# Ear (or horn, or flipper): x, y, radii, degrees; radii of the head; muzzle: y, radii.
_FACES = {
    "rabbit": (0.5, -1.6, 0.24, 1.1, 9, 0.8, 0.9, 0.35, 0.3, 0.22),
    "bear": (0.75, -0.72, 0.38, 0.38, 0, 1.05, 0.95, 0.42, 0.5, 0.42),
    "mouse": (0.95, -0.75, 0.72, 0.72, 0, 0.7, 0.8, 0.75, 0.25, 0.4),
    "elephant": (1.25, 0.0, 0.85, 1.1, 0, 0.85, 0.95, 1.3, 0.28, 1.2),
    "goat": (0.75, -1.5, 0.15, 0.95, 25, 0.6, 1.05, 1.25, 0.22, 0.6),
    "frog": (0.6, -0.6, 0.36, 0.42, 0, 1.35, 0.72, 0.35, 0.95, 0.22),
    "sheep": (1.15, -0.3, 0.6, 0.2, 20, 0.75, 1.0, 0.6, 0.4, 0.4),
    "horse": (0.4, -1.4, 0.18, 0.5, 12, 0.55, 1.5, 1.2, 0.5, 0.5),
    "pig": (0.8, -0.85, 0.45, 0.2, -40, 1.1, 0.95, 0.35, 0.45, 0.32),
    "seal": (0.95, 2.2, 0.2, 0.8, -50, 0.8, 0.75, 1.5, 0.95, 1.3),
}
NAMES = (*_PETS, *_FACES)
_BOTH = (1, -1)  # sides of what is symmetric


@dataclass
class Animal:
    """Polygons, back to front."""

    # Outline [n, 2] and brightness (1 is the fur's own); together they are the silhouette.
    fur: list[tuple[np.ndarray, float]] = field(default_factory=list)
    # Outline [n, 2] and RGB colour; seen only inside the silhouette.
    details: list[tuple[np.ndarray, Colour]] = field(default_factory=list)

    def add(self, outline: np.ndarray, shade: float = 1.0) -> None:
        """Puts a furry part in front of the others."""
        self.fur.append((outline, shade))

    def mark(self, outline: np.ndarray, colour: Colour = DARK) -> None:
        """Puts a detail in front of the others."""
        self.details.append((outline, colour))


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> np.ndarray:
    """An ellipse as a polygon, float64 [24, 2]."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    points = np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1)
    return moved(rotated(points, degrees), x, y)


def moved(points: np.ndarray, x: float, y: float = 0.0) -> np.ndarray:
    """Points [n, 2] shifted."""
    return points + np.array([x, y])


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points [n, 2] turned about (0, 0), clockwise on the screen."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return points @ np.array([[cos, sin], [-sin, cos]])


def shrunk(points: np.ndarray, scale: float) -> np.ndarray:
    """Points [n, 2] drawn together around their mean."""
    middle = points.mean(axis=0)
    return middle + (points - middle) * scale


def ribbon(
    spine: Sequence[tuple[float, float]], start: float, end: float, side: float = 1, x: float = 0
) -> np.ndarray:
    """A band along the Bezier curve of three or four control points, float64 [32, 2].

    It is `start` and `end` wide at its ends; side -1 mirrors it, and x shifts it after that.
    """
    t = np.linspace(0, 1, 16)[:, None]
    points = moved(np.array(spine) * (side, 1), x)[None].repeat(16, axis=0)
    while points.shape[1] > 1:  # de Casteljau
        points = points[:, :-1] * (1 - t[..., None]) + points[:, 1:] * t[..., None]
    curve = points[:, 0]
    along = np.gradient(curve, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    half = (start + (end - start) * t) / 2
    return np.concatenate([curve + across * half, (curve - across * half)[::-1]])


def make_animal(rng: np.random.Generator, label: int) -> Animal:
    """The animal of that index into `NAMES` in a random pose, the head's middle at (0, 0)."""
    animal = Animal()
    if label >= len(_PETS):
        _face(rng, animal, _FACES[NAMES[label]])
        return animal
    is_cat = NAMES[label] == "cat"
    pose = str(rng.choice(POSES, p=_POSE_SHARES))
    if pose != "face":
        {"sitting": _sitting, "lying": _lying, "standing": _standing}[pose](rng, animal, is_cat)
    if pose == "standing" and rng.random() < 0.5:
        (_cat_profile if is_cat else _dog_profile)(rng, animal)
    else:
        (_cat_face if is_cat else _dog_face)(rng, animal)
    return animal


def _face(rng: np.random.Generator, animal: Animal, numbers: tuple[float, ...]) -> None:
    x, y, rx, ry, degrees, width, height, muzzle, muzzle_width, muzzle_height = numbers
    size = rng.uniform(0.9, 1.1)
    for side in _BOTH:
        animal.add(ellipse(x, y, rx * size, ry, degrees) * (side, 1), 0.85)
    animal.add(ellipse(0, 0, width, height))
    animal.add(ellipse(0, muzzle, muzzle_width * size, muzzle_height), 1.12)
    animal.mark(ellipse(0, muzzle - muzzle_height * 0.4, 0.16, 0.12))
    for side in _BOTH:
        colour = _eye_colour(rng)
        _eye(animal, side * 0.34, -0.25, rng.uniform(0.13, 0.19), colour, slit=False)


def _sitting(rng: np.random.Generator, animal: Animal, is_cat: bool) -> None:
    wide, side = rng.uniform(0.85, 1.1), rng.choice([-1, 1])
    if is_cat:
        tip = (1.5, rng.uniform(0.6, 1.4))
        animal.add(ribbon([(0.6, 3.0), (2.2, 3.2), (2.2, 1.6), tip], 0.36, 0.3, side), 0.85)
    else:
        tip = (1.9, rng.uniform(1.6, 2.2))
        animal.add(ribbon([(0.7, 2.7), (1.6, 2.6), tip], 0.5, 0.2, side), 0.85)
    animal.add(ellipse(0, 1.9, wide * 1.05, 1.4), 0.92)
    for x in (-1, 1):
        animal.add(ellipse(x * 0.85 * wide, 2.9, 0.5, 0.36), 0.86)
    for x in (-1, 1):
        animal.add(ellipse(x * 0.36, 2.4, 0.27, 0.95), 1.04)
        animal.add(ellipse(x * 0.38, 3.2, 0.34, 0.22), 1.1)


def _lying(rng: np.random.Generator, animal: Animal, is_cat: bool) -> None:
    length, y = rng.uniform(1.6, 2.1), rng.uniform(0.75, 1.0)
    animal.add(ellipse(length * 0.8, y, length, 0.85), 0.92)
    animal.add(ellipse(length * 1.25, y + 0.2, 0.75, 0.65), 0.84)
    if is_cat:
        spine = [(length * 1.5, y + 0.3), (length * 2, y + 0.5), (2.4, y + 1), (1.2, y + 0.75)]
        animal.add(ribbon(spine, 0.36, 0.28), 0.8)
    else:
        spine = [(length * 1.5, y), (length * 1.9, y), (length * 2, y - 0.6)]
        animal.add(ribbon(spine, 0.45, 0.18), 0.8)
    for x in (-0.55, 0.35):
        animal.add(ellipse(x - 0.1, y + 0.68, 0.55, 0.24), 1.06)


def _standing(rng: np.random.Generator, animal: Animal, is_cat: bool) -> None:
    length, leg = rng.uniform(1.5, 1.9), rng.uniform(1.0, 1.3)
    x, y = length + 0.3, 1.1  # the body's middle
    end = x + length
    if is_cat:
        spine = [(end, y - 0.3), (end + 1, y - 0.2), (end + 0.3, y - 1.6)]
        spine.append((end + rng.uniform(-0.4, 0.9), y - 2.2))
        animal.add(ribbon(spine, 0.32, 0.28), 0.88)
    else:
        spine = [(end - 0.2, y - 0.3), (end + 0.5, y - 0.5), (end + 0.7, y - 1.3)]
        animal.add(ribbon(spine, 0.42, 0.15), 0.88)
    for where in (0.9, -0.6):  # the far legs
        animal.add(ellipse(x + where * length, y + leg * 0.8, 0.24, leg), 0.78)
    animal.add(ellipse(x, y, length + 0.2, 0.72 if is_cat else 0.8), 0.95)
    animal.add(ribbon([(x - length * 0.8, y), (0.4, 0.6), (0, 0)], 1.3, 0.9), 0.95)
    for where in (0.72, -0.85):
        animal.add(ellipse(x + where * length, y + leg * 0.8, 0.26, leg), 1.0)
        animal.add(ellipse(x + where * length - 0.1, y + leg * 1.72, 0.34, 0.18), 1.06)


def _eye_colour(rng: np.random.Generator) -> Colour:
    return EYES[rng.integers(len(EYES))]


def _eye(animal: Animal, x: float, y: float, size: float, colour: Colour, *, slit: bool) -> None:
    """A cat's pupil is a slit."""
    animal.mark(ellipse(x, y, size * 1.2, size * (0.95 if slit else 1.15)))
    animal.mark(ellipse(x, y, size, size * 0.75), colour)
    animal.mark(ellipse(x, y, size * (0.25 if slit else 0.55), size * (0.72 if slit else 0.55)))
    animal.mark(ellipse(x + size * 0.3, y - size * 0.3, size * 0.2, size * 0.2), (240, 240, 240))


def _cat_face(rng: np.random.Generator, animal: Animal) -> None:
    spread, height = rng.uniform(0.75, 0.95), rng.uniform(1.3, 1.65)
    ear = np.array([(-0.98, -0.2), (-spread, -height), (-0.18, -0.72)])
    for side in _BOTH:
        animal.add(ear * (side, 1), 0.95)
    animal.add(ellipse(0, 0, 1.0, 0.86))
    look, colour = rng.uniform(-0.08, 0.08), _eye_colour(rng)
    for side in _BOTH:
        animal.mark(shrunk(ear, 0.6) * (side, 1), PINK if side > 0 else (185, 115, 115))
        _eye(animal, side * 0.42 + look, -0.12, rng.uniform(0.19, 0.23), colour, slit=True)
    for side in _BOTH:
        animal.mark(ellipse(side * 0.18 + look, 0.44, 0.25, 0.2), (225, 215, 205))
    animal.mark(moved(np.array([(-0.14, 0.22), (0.14, 0.22), (0, 0.38)]), look), PINK)
    for side in (-1, 1):
        animal.mark(ribbon([(0, 0.36), (0, 0.45), (0.2, 0.56)], 0.05, 0.04, side, look))
    for side in _BOTH:
        for slope in (-0.14, 0.02, 0.18):
            spine = [(0.22, 0.42), (0.6, 0.38 + slope / 2), (1.1, 0.42 + slope)]
            animal.mark(ribbon(spine, 0.04, 0.03, side, look), WHITE)


def _dog_face(rng: np.random.Generator, animal: Animal) -> None:
    look = rng.uniform(-0.12, 0.12)
    length, open_out = rng.uniform(0.62, 0.85), rng.uniform(2, 22)
    animal.add(ellipse(0, -0.1, 0.86, 0.9))
    animal.add(ellipse(look, 0.55, 0.56, 0.6), 1.12)
    hanging = moved(rotated(ellipse(0, length, 0.32, length), -open_out), 0.62, -0.78)
    for side in _BOTH:
        animal.add(hanging * (side, 1), 0.72)
    colour = _eye_colour(rng)
    for side in _BOTH:
        x = side * 0.34 + look * 0.5
        _eye(animal, x, -0.2, rng.uniform(0.13, 0.17), colour, slit=False)
    if rng.random() < 0.4:
        animal.mark(ellipse(look, 0.98, 0.17, 0.24), PINK)
    animal.mark(ribbon([(-0.36, 0.7), (0, 0.98), (0.36, 0.7)], 0.06, 0.06, x=look))
    animal.mark(ribbon([(0, 0.4), (0, 0.6), (0, 0.82)], 0.05, 0.05, x=look))
    animal.mark(ellipse(look, 0.32, 0.24, 0.17))


def _cat_profile(rng: np.random.Generator, animal: Animal) -> None:
    height = rng.uniform(1.3, 1.6)
    ear = np.array([(-0.3, -0.6), (0.1, -height), (0.65, -0.5)])
    animal.add(ear - (0.35, -0.05), 0.8)
    animal.add(ellipse(0, 0, 0.9, 0.84))
    animal.add(ellipse(-0.68, 0.28, 0.38, 0.32), 1.1)
    animal.add(ear, 0.95)
    animal.mark(shrunk(ear, 0.55), PINK)
    _eye(animal, -0.42, -0.14, 0.2, _eye_colour(rng), slit=True)
    animal.mark(ellipse(-0.98, 0.16, 0.1, 0.09), PINK)
    animal.mark(ribbon([(-0.95, 0.38), (-0.7, 0.46), (-0.5, 0.4)], 0.05, 0.04))
    for slope in (-0.12, 0.04, 0.2):
        spine = [(-0.7, 0.3), (-0.3, 0.25 + slope), (0.2, 0.35 + slope)]
        animal.mark(ribbon(spine, 0.04, 0.03), WHITE)


def _dog_profile(rng: np.random.Generator, animal: Animal) -> None:
    snout, length = rng.uniform(1.35, 1.8), rng.uniform(0.6, 0.8)
    animal.add(ellipse(0, -0.05, 0.86, 0.82))
    animal.add(ribbon([(0, 0.2), (-snout / 2, 0.24), (-snout, 0.3)], 1.0, 0.6), 1.06)
    animal.add(ellipse(-snout, 0.3, 0.26, 0.3), 1.06)
    animal.add(moved(rotated(ellipse(0, length, 0.34, length), -12), 0.2, -0.65), 0.7)
    _eye(animal, -0.42, -0.22, 0.15, _eye_colour(rng), slit=False)
    animal.mark(ellipse(-snout - 0.12, 0.14, 0.19, 0.15))
    animal.mark(ribbon([(-snout, 0.46), (-1.0, 0.58), (-0.5, 0.45)], 0.06, 0.05))
