"""Arrays as a metric's value: TensorFlow Model Analysis takes differences of those of two models,
which need not have the same shape; of bytes it takes none."""

import io
from collections.abc import Mapping

import numpy as np


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as one value."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(value: bytes) -> dict[str, np.ndarray]:
    """What `pack` was given."""
    with np.load(io.BytesIO(value)) as read:
        return dict(read)
