"""Which animals can be drawn: cats and dogs whole, the others by their faces alone.

The shapes of ears, head and muzzle tell them apart; chance varies them a little.
"""

import numpy as np

from components.datasets.anatomy import DARK, EYES, Animal, ellipse, eye, make_pet

_PETS = ("cat", "dog")
# Ear (or horn, or flipper): x, y, radii, degrees; radii of the head; muzzle: y, radii.
_FACES = {
    "rabbit": ((0.5, -1.6, 0.24, 1.1, 9), (0.8, 0.9), (0.35, 0.3, 0.22)),
    "bear": ((0.75, -0.72, 0.38, 0.38, 0), (1.05, 0.95), (0.42, 0.5, 0.42)),
    "mouse": ((0.95, -0.75, 0.72, 0.72, 0), (0.7, 0.8), (0.75, 0.25, 0.4)),
    "elephant": ((1.25, 0.0, 0.85, 1.1, 0), (0.85, 0.95), (1.3, 0.28, 1.2)),
    "goat": ((0.75, -1.5, 0.15, 0.95, 25), (0.6, 1.05), (1.25, 0.22, 0.6)),
    "frog": ((0.6, -0.6, 0.36, 0.42, 0), (1.35, 0.72), (0.35, 0.95, 0.22)),
    "sheep": ((1.15, -0.3, 0.6, 0.2, 20), (0.75, 1.0), (0.6, 0.4, 0.4)),
    "horse": ((0.4, -1.4, 0.18, 0.5, 12), (0.55, 1.5), (1.2, 0.5, 0.5)),
    "pig": ((0.8, -0.85, 0.45, 0.2, -40), (1.1, 0.95), (0.35, 0.45, 0.32)),
    "seal": ((0.95, 2.2, 0.2, 0.8, -50), (0.8, 0.75), (1.5, 0.95, 1.3)),
}
NAMES = (*_PETS, *_FACES)


def make_animal(rng: np.random.Generator, label: int) -> Animal:
    """An animal, the head's middle at (0, 0).

    Args:
        rng: source of all chance.
        label: index into `NAMES`.
    """
    if label < len(_PETS):
        return make_pet(rng, is_cat=_PETS[label] == "cat")
    animal = Animal()
    ear, head, muzzle = _FACES[NAMES[label]]
    size = rng.uniform(0.9, 1.1)
    for side in (1, -1):
        animal.add(ellipse(*ear[:2], ear[2] * size, *ear[3:]) * (side, 1), 0.85)
    animal.add(ellipse(0, 0, *head))
    animal.add(ellipse(0, muzzle[0], muzzle[1] * size, muzzle[2]), 1.12)
    animal.mark(ellipse(0, muzzle[0] - muzzle[2] * 0.4, 0.16, 0.12), DARK)
    for side in (1, -1):
        colour = EYES[rng.integers(len(EYES))]
        eye(animal, side * 0.34, -0.25, rng.uniform(0.13, 0.19), colour, slit=False)
    return animal
