"""Which animals can be drawn: cats and dogs whole, the others by their faces alone.

Each has a shape that no other has; chance varies it a little.
"""

from collections.abc import Callable

import numpy as np

from components.datasets.anatomy import (
    DARK,
    EYES,
    PINK,
    Animal,
    ellipse,
    eye,
    moved,
    ribbon,
    rotated,
)
from components.datasets.anatomy import (
    make_animal as make_pet,
)

_BEAK = (235, 170, 60)


def make_animal(rng: np.random.Generator, label: int) -> Animal:
    """An animal, the head's middle at (0, 0).

    Args:
        rng: source of all chance.
        label: index into `NAMES`.
    """
    if label < len(_PETS):
        return make_pet(rng, is_cat=_PETS[label] == "cat")
    animal = Animal()
    _FACES[NAMES[label]](animal, rng.uniform(0.85, 1.15))
    for side in (1, -1):
        colour = EYES[rng.integers(len(EYES))]
        eye(animal, side * 0.36, -0.2, rng.uniform(0.13, 0.19), colour, slit=False)
    return animal


def _both(animal: Animal, outline: np.ndarray, shade: float) -> None:
    """A part on either side."""
    for side in (1, -1):
        animal.add(outline * (side, 1), shade)


def _nose(animal: Animal, y: float, size: float) -> None:
    animal.mark(ellipse(0, y, size * 1.3, size), DARK)


def _rabbit(animal: Animal, size: float) -> None:
    ear = moved(rotated(ellipse(0, -1.0 * size, 0.26, 1.1 * size), 9), 0.36, -0.6)
    _both(animal, ear, 0.9)
    animal.add(ellipse(0, 0, 0.8, 0.9))
    _nose(animal, 0.3, 0.1)


def _bear(animal: Animal, size: float) -> None:
    _both(animal, ellipse(0.75, -0.72, 0.38 * size, 0.38 * size), 0.85)
    animal.add(ellipse(0, 0, 1.05, 0.95))
    animal.add(ellipse(0, 0.42, 0.5 * size, 0.42), 1.15)
    _nose(animal, 0.28, 0.17)


def _mouse(animal: Animal, size: float) -> None:
    _both(animal, ellipse(0.95, -0.75, 0.72 * size, 0.72 * size), 0.85)
    animal.add(np.array([(-0.8, -0.4), (-0.4, -0.8), (0.4, -0.8), (0.8, -0.4), (0, 1.1)]))
    animal.mark(ellipse(0, 0.98, 0.14, 0.12), PINK)


def _elephant(animal: Animal, size: float) -> None:
    _both(animal, ellipse(1.25, 0, 0.85 * size, 1.1 * size), 0.85)
    animal.add(ellipse(0, -0.1, 0.85, 0.95))
    trunk = np.array([(0, 0.2), (0.1, 1.4), (0.2, 2.1), (0.9 * size, 2.2)])
    animal.add(ribbon(trunk, (0.62, 0.34)), 1.1)


def _owl(animal: Animal, size: float) -> None:
    _both(animal, np.array([(0.25, -0.9), (0.95, -1.45 * size), (1.0, -0.3)]), 0.9)
    animal.add(ellipse(0, 0.2, 1.05, 1.3 * size))
    for side in (1, -1):
        animal.mark(ellipse(side * 0.4, -0.2, 0.4, 0.42), (235, 225, 200))
    animal.mark(np.array([(-0.14, 0.05), (0.14, 0.05), (0, 0.45)]), _BEAK)


def _pig(animal: Animal, size: float) -> None:
    _both(animal, np.array([(0.4, -0.8), (1.15 * size, -1.0), (0.85, -0.25)]), 0.85)
    animal.add(ellipse(0, 0, 1.0, 0.95))
    animal.mark(ellipse(0, 0.35, 0.42, 0.3), PINK)
    for side in (1, -1):
        animal.mark(ellipse(side * 0.15, 0.35, 0.08, 0.12), DARK)


def _goat(animal: Animal, size: float) -> None:
    horn = np.array([(0.3, -0.7), (0.5, -1.7), (1.3 * size, -1.7)])
    _both(animal, ribbon(horn, (0.32, 0.06)), 0.6)
    _both(animal, rotated(ellipse(0.95, -0.35, 0.5, 0.18), 15), 0.85)
    animal.add(ellipse(0, 0.1, 0.6, 1.05))
    animal.add(np.array([(-0.25, 0.95), (0.25, 0.95), (0, 1.8 * size)]), 0.8)
    _nose(animal, 0.75, 0.12)


def _frog(animal: Animal, size: float) -> None:
    _both(animal, ellipse(0.6, -0.55, 0.36 * size, 0.4), 1.05)
    animal.add(ellipse(0, 0.15, 1.3 * size, 0.72))
    mouth = np.array([(-0.9, 0.25), (0, 0.75), (0.9, 0.25)])
    animal.mark(ribbon(mouth, (0.07, 0.07)), DARK)


def _fish(animal: Animal, size: float) -> None:
    animal.add(np.array([(1.0, 0), (2.1 * size, -0.8), (1.8, 0), (2.1 * size, 0.8)]), 0.8)
    animal.add(np.array([(-0.3, -0.4), (0.3, -1.2 * size), (0.8, -0.3)]), 0.85)
    animal.add(ellipse(0, 0, 1.4, 0.72))


def _hedgehog(animal: Animal, size: float) -> None:
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    reach = np.where(np.arange(40) % 2, 1.5 * size, 1.05)[:, None]
    animal.add(np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach, 0.7)
    animal.add(ellipse(0, 0.15, 0.75, 0.7), 1.1)
    _nose(animal, 0.4, 0.14)


_PETS = ("cat", "dog")
_FACES: dict[str, Callable[[Animal, float], None]] = {
    "rabbit": _rabbit,
    "bear": _bear,
    "mouse": _mouse,
    "elephant": _elephant,
    "owl": _owl,
    "pig": _pig,
    "goat": _goat,
    "frog": _frog,
    "fish": _fish,
    "hedgehog": _hedgehog,
}
NAMES = (*_PETS, *_FACES)
