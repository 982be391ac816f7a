import numpy as np
import pytest
import tensorflow as tf

from components.export.answers import NotServable, check_answers


def _strings(*values: bytes) -> np.ndarray:
    return np.array(values, object)


def _png(pixels: np.ndarray, compression: int = -1) -> bytes:
    return tf.io.encode_png(pixels, compression=compression).numpy()


FLAT = np.full((40, 40, 3), 9, np.uint8)
DOT = FLAT.copy()
DOT[0, 0, 0] = 200  # one of 4,800 values: a rounding that tipped over
STRIPE = FLAT.copy()
STRIPE[0] = 10


@pytest.mark.parametrize(
    ("served", "direct", "words"),
    [
        (np.zeros(3, np.float32), np.full(3, 9e-5, np.float32), ""),
        (np.zeros(3, np.float32), np.full(3, 2e-4, np.float32), "by up to 0.0002"),
        (np.full(3, np.nan, np.float32), np.zeros(3, np.float32), "3 of 3 values by up to nan"),
        (np.zeros(3, np.float32), np.zeros(2, np.float32), r"\[3\]"),
        (np.zeros(3, np.float32), np.zeros(3, np.float64), "float64"),
        (DOT, FLAT, ""),
        (STRIPE, FLAT, "120 of 4800 values by up to 1"),
        (_strings(b"cat"), _strings(b"cat"), ""),
        (_strings(b"cat", b"cat"), _strings(b"cat", b"dog"), "value 1: .*dog"),
        (np.array([1, 2]), np.array([1, 3]), "1 of 2 values by up to 1"),
        # PNGs are compared by their pixels.
        (_strings(_png(FLAT, 0)), _strings(_png(FLAT, 9)), ""),
        (_strings(_png(DOT)), _strings(_png(FLAT)), ""),
        (_strings(_png(STRIPE)), _strings(_png(FLAT)), "120 of 4800"),
        (_strings(_png(FLAT[:20])), _strings(_png(FLAT)), r"\[20, 40, 3\]"),
    ],
)
def test_comparison(served: np.ndarray, direct: np.ndarray, words: str) -> None:
    if not words:
        check_answers("e", {"o": served}, {"o": direct})
        return
    with pytest.raises(NotServable, match=f"endpoint e, output o.*{words}"):
        check_answers("e", {"o": served}, {"o": direct})


def test_other_outputs_are_told() -> None:
    with pytest.raises(NotServable, match="answers with a, the model with a, b"):
        check_answers("e", {"a": np.zeros(1)}, {"a": np.zeros(1), "b": np.zeros(1)})
