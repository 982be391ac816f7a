"""The shapes of the drawn animals: what makes a cat a cat and a dog a dog, and nothing else.

All coordinates are in head radii; x to the right, y down, the middle of the head at (0, 0).
"""

from dataclasses import dataclass, field

import numpy as np

POSES = ("face", "sitting", "lying", "standing")
_POSE_SHARES = (0.3, 0.3, 0.2, 0.2)  # the same for both classes

Colour = tuple[int, int, int]
EYES: tuple[Colour, ...] = ((60, 40, 25), (125, 150, 60), (95, 130, 165), (185, 140, 50))
DARK: Colour = (28, 22, 22)
PINK: Colour = (205, 130, 130)


@dataclass
class Animal:
    """Polygons, back to front.

    Attributes:
        fur: outline [n, 2] and brightness (1 is the fur's own); together they are the silhouette.
        details: outline [n, 2] and RGB colour; seen only inside the silhouette.
    """

    fur: list[tuple[np.ndarray, float]] = field(default_factory=list)
    details: list[tuple[np.ndarray, Colour]] = field(default_factory=list)

    def add(self, outline: np.ndarray, shade: float = 1.0) -> None:
        """Puts a furry part in front of the others."""
        self.fur.append((outline, shade))

    def mark(self, outline: np.ndarray, colour: Colour) -> None:
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


def ribbon(spine: np.ndarray, widths: tuple[float, float]) -> np.ndarray:
    """A band along a smooth curve through three or four control points, float64 [32, 2].

    Args:
        spine: control points of a Bezier curve [3 or 4, 2].
        widths: full width at its start and at its end.
    """
    t = np.linspace(0, 1, 16)[:, None]
    points = spine[None].repeat(16, axis=0)
    while points.shape[1] > 1:  # de Casteljau
        points = points[:, :-1] * (1 - t[..., None]) + points[:, 1:] * t[..., None]
    curve = points[:, 0]
    along = np.gradient(curve, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    half = (widths[0] + (widths[1] - widths[0]) * t) / 2
    return np.concatenate([curve + across * half, (curve - across * half)[::-1]])


def make_pet(rng: np.random.Generator, *, is_cat: bool) -> Animal:
    """A cat or a dog in a random pose, the head's middle at (0, 0).

    Args:
        rng: source of all chance.
        is_cat: or it is a dog.
    """
    animal = Animal()
    pose = str(rng.choice(POSES, p=_POSE_SHARES))
    if pose != "face":
        body = {"sitting": _sitting, "lying": _lying, "standing": _standing}[pose]
        body(rng, animal, is_cat)
    turned_away = pose == "standing" and rng.random() < 0.5
    if is_cat:
        (_cat_profile if turned_away else _cat_face)(rng, animal)
    else:
        (_dog_profile if turned_away else _dog_face)(rng, animal)
    return animal


def _sitting(rng: np.random.Generator, animal: Animal, is_cat: bool) -> None:
    wide = rng.uniform(0.85, 1.1)
    side = rng.choice([-1, 1])
    if is_cat:
        spine = [(0.6, 3.0), (2.2, 3.2), (2.2, 1.6), (1.5, rng.uniform(0.6, 1.4))]
        animal.add(ribbon(np.array(spine) * (side, 1), (0.36, 0.3)), 0.85)
    else:
        spine = [(0.7, 2.7), (1.6, 2.6), (1.9, rng.uniform(1.6, 2.2))]
        animal.add(ribbon(np.array(spine) * (side, 1), (0.5, 0.2)), 0.85)
    animal.add(ellipse(0, 1.9, wide * 1.05, 1.4), 0.92)
    for x in (-1, 1):
        animal.add(ellipse(x * 0.85 * wide, 2.9, 0.5, 0.36), 0.86)
    for x in (-1, 1):
        animal.add(ellipse(x * 0.36, 2.4, 0.27, 0.95), 1.04)
        animal.add(ellipse(x * 0.38, 3.2, 0.34, 0.22), 1.1)


def _lying(rng: np.random.Generator, animal: Animal, is_cat: bool) -> None:
    length = rng.uniform(1.6, 2.1)
    y = rng.uniform(0.75, 1.0)
    if is_cat:
        spine = np.array(
            [(length * 1.5, y + 0.3), (length * 2, y + 0.5), (2.4, y + 1), (1.2, y + 0.75)]
        )
        tail = ribbon(spine, (0.36, 0.28))
    else:
        spine = np.array([(length * 1.5, y), (length * 1.9, y), (length * 2, y - 0.6)])
        tail = ribbon(spine, (0.45, 0.18))
    animal.add(ellipse(length * 0.8, y, length, 0.85), 0.92)
    animal.add(ellipse(length * 1.25, y + 0.2, 0.75, 0.65), 0.84)
    animal.add(tail, 0.8)
    for x in (-0.55, 0.35):
        animal.add(ellipse(x - 0.1, y + 0.68, 0.55, 0.24), 1.06)


def _standing(rng: np.random.Generator, animal: Animal, is_cat: bool) -> None:
    length = rng.uniform(1.5, 1.9)
    leg = rng.uniform(1.0, 1.3)
    x, y = length + 0.3, 1.1  # the body's middle
    if is_cat:
        tip = rng.uniform(-0.4, 0.9)
        spine = [(x + length, y - 0.3), (x + length + 1, y - 0.2), (x + length + 0.3, y - 1.6)]
        tail = ribbon(np.array([*spine, (x + length + tip, y - 2.2)]), (0.32, 0.28))
    else:
        spine = [
            (x + length - 0.2, y - 0.3),
            (x + length + 0.5, y - 0.5),
            (x + length + 0.7, y - 1.3),
        ]
        tail = ribbon(np.array(spine), (0.42, 0.15))
    animal.add(tail, 0.88)
    legs = [(0.9, 0.78), (-0.6, 0.78), (0.72, 1.0), (-0.85, 1.0)]  # the far ones first, darker
    for where, shade in legs[:2]:
        animal.add(ellipse(x + where * length, y + leg * 0.8, 0.24, leg), shade)
    animal.add(ellipse(x, y, length + 0.2, 0.72 if is_cat else 0.8), 0.95)
    animal.add(ribbon(np.array([(x - length * 0.8, y), (0.4, 0.6), (0, 0)]), (1.3, 0.9)), 0.95)
    for where, shade in legs[2:]:
        animal.add(ellipse(x + where * length, y + leg * 0.8, 0.26, leg), shade)
        animal.add(ellipse(x + where * length - 0.1, y + leg * 1.72, 0.34, 0.18), shade * 1.06)


def eye(animal: Animal, x: float, y: float, size: float, colour: Colour, *, slit: bool) -> None:
    """Puts an eye on it; a cat's pupil is a slit."""
    animal.mark(ellipse(x, y, size * 1.2, size * (0.95 if slit else 1.15)), DARK)
    animal.mark(ellipse(x, y, size, size * 0.75), colour)
    animal.mark(
        ellipse(x, y, size * (0.25 if slit else 0.55), size * (0.72 if slit else 0.55)), DARK
    )
    animal.mark(ellipse(x + size * 0.3, y - size * 0.3, size * 0.2, size * 0.2), (240, 240, 240))


def _cat_face(rng: np.random.Generator, animal: Animal) -> None:
    spread, height = rng.uniform(0.75, 0.95), rng.uniform(1.3, 1.65)
    ear = np.array([(-0.98, -0.2), (-spread, -height), (-0.18, -0.72)])
    inner = ear.mean(axis=0) + (ear - ear.mean(axis=0)) * 0.6
    for side in (1, -1):
        animal.add(ear * (side, 1), 0.95)
    animal.add(ellipse(0, 0, 1.0, 0.86))
    look = rng.uniform(-0.08, 0.08)
    colour = EYES[rng.integers(len(EYES))]
    pale: Colour = (225, 215, 205)
    for side in (1, -1):
        animal.mark(inner * (side, 1), PINK if side > 0 else (185, 115, 115))
        eye(animal, side * 0.42 + look, -0.12, rng.uniform(0.19, 0.23), colour, slit=True)
    for side in (1, -1):
        animal.mark(ellipse(side * 0.18 + look, 0.44, 0.25, 0.2), pale)
    animal.mark(moved(np.array([(-0.14, 0.22), (0.14, 0.22), (0, 0.38)]), look), PINK)
    animal.mark(
        ribbon(moved(np.array([(0, 0.36), (0, 0.45), (-0.2, 0.56)]), look), (0.05, 0.04)), DARK
    )
    animal.mark(
        ribbon(moved(np.array([(0, 0.36), (0, 0.45), (0.2, 0.56)]), look), (0.05, 0.04)), DARK
    )
    _whiskers(animal, look)


def _whiskers(animal: Animal, x: float) -> None:
    for side in (1, -1):
        for slope in (-0.14, 0.02, 0.18):
            spine = np.array([(0.22, 0.42), (0.6, 0.38 + slope / 2), (1.1, 0.42 + slope)])
            animal.mark(ribbon(moved(spine * (side, 1), x), (0.04, 0.03)), (245, 245, 240))


def _dog_face(rng: np.random.Generator, animal: Animal) -> None:
    look = rng.uniform(-0.12, 0.12)
    length, open_out = rng.uniform(0.62, 0.85), rng.uniform(2, 22)
    animal.add(ellipse(0, -0.1, 0.86, 0.9))
    animal.add(ellipse(look, 0.55, 0.56, 0.6), 1.12)
    for side in (1, -1):
        hanging = moved(rotated(ellipse(0, length, 0.32, length), -open_out), 0.62, -0.78)
        animal.add(hanging * (side, 1), 0.72)
    colour = EYES[rng.integers(len(EYES))]
    for side in (1, -1):
        eye(animal, side * 0.34 + look * 0.5, -0.2, rng.uniform(0.13, 0.17), colour, slit=False)
    if rng.random() < 0.4:
        animal.mark(ellipse(look, 0.98, 0.17, 0.24), PINK)
    smile = moved(np.array([(-0.36, 0.7), (0, 0.98), (0.36, 0.7)]), look)
    animal.mark(ribbon(smile, (0.06, 0.06)), DARK)
    animal.mark(ribbon(moved(np.array([(0, 0.4), (0, 0.6), (0, 0.82)]), look), (0.05, 0.05)), DARK)
    animal.mark(ellipse(look, 0.32, 0.24, 0.17), DARK)


def _cat_profile(rng: np.random.Generator, animal: Animal) -> None:
    height = rng.uniform(1.3, 1.6)
    ear = np.array([(-0.3, -0.6), (0.1, -height), (0.65, -0.5)])
    animal.add(ear - (0.35, -0.05), 0.8)
    animal.add(ellipse(0, 0, 0.9, 0.84))
    animal.add(ellipse(-0.68, 0.28, 0.38, 0.32), 1.1)
    animal.add(ear, 0.95)
    colour = EYES[rng.integers(len(EYES))]
    animal.mark(ear.mean(axis=0) + (ear - ear.mean(axis=0)) * 0.55, PINK)
    eye(animal, -0.42, -0.14, 0.2, colour, slit=True)
    animal.mark(ellipse(-0.98, 0.16, 0.1, 0.09), PINK)
    animal.mark(ribbon(np.array([(-0.95, 0.38), (-0.7, 0.46), (-0.5, 0.4)]), (0.05, 0.04)), DARK)
    for slope in (-0.12, 0.04, 0.2):
        spine = np.array([(-0.7, 0.3), (-0.3, 0.25 + slope), (0.2, 0.35 + slope)])
        animal.mark(ribbon(spine, (0.04, 0.03)), (245, 245, 240))


def _dog_profile(rng: np.random.Generator, animal: Animal) -> None:
    snout = rng.uniform(1.35, 1.8)
    length = rng.uniform(0.6, 0.8)
    animal.add(ellipse(0, -0.05, 0.86, 0.82))
    animal.add(ribbon(np.array([(0, 0.2), (-snout / 2, 0.24), (-snout, 0.3)]), (1.0, 0.6)), 1.06)
    animal.add(ellipse(-snout, 0.3, 0.26, 0.3), 1.06)
    animal.add(moved(rotated(ellipse(0, length, 0.34, length), -12), 0.2, -0.65), 0.7)
    colour = EYES[rng.integers(len(EYES))]
    eye(animal, -0.42, -0.22, 0.15, colour, slit=False)
    animal.mark(ellipse(-snout - 0.12, 0.14, 0.19, 0.15), DARK)
    animal.mark(ribbon(np.array([(-snout, 0.46), (-1.0, 0.58), (-0.5, 0.45)]), (0.06, 0.05)), DARK)
