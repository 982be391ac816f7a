import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(1)


@pytest.fixture(scope="session")
def pictures():
    """(count, size) -> float32 [count, size, size, 3] in [0, 255], the same every time."""

    def make(count: int, size: int) -> np.ndarray:
        return np.random.default_rng(0).uniform(0, 255, (count, size, size, 3)).astype(np.float32)

    return make
