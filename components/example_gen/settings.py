"""How data becomes Examples; a section of the pipeline's configuration."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings import PositiveInt, Section


class ExampleGenConfig(Section):
    """How pictures and points become Examples.

    Attributes:
        split: `hash` (by the perceptual hash of the pixels, or by the coordinates) or, for
            pictures, `book_small` (by file number: 0-999 train, 1000-1499 eval, 1500-2499 test of
            each class).
        train_buckets, eval_buckets, test_buckets: relative sizes of the splits under `hash`.
        max_side: pictures are shrunk so that their longest side is at most this many pixels.
        drop_duplicates: quarantine what has the pixels or coordinates of an earlier one.
    """

    split: Literal["hash", "book_small"] = "hash"
    train_buckets: PositiveInt = 8
    eval_buckets: PositiveInt = 1
    test_buckets: PositiveInt = 1
    max_side: Annotated[int, Field(ge=32, le=4096)] = 512
    drop_duplicates: bool = True
