"""How data becomes Examples; a section of the pipeline's configuration."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings import PositiveInt, Section


class ExampleGenConfig(Section):
    """How images and points become Examples, and which split each goes to."""

    split: Literal["auto", "hash", "given", "book_small", "book_pets"] = "auto"
    """`hash`: by the perceptual hash of the pixels, or by the coordinates. `given`: as the data set
    tells by folders or a column; with train and one more, that one is the test split and eval is
    taken from train by hash. `auto`: `given` where the data set tells it, else `hash`.
    `book_small`: by the file's number, 0-999 train, 1000-1499 eval, 1500-2499 test of each class.
    `book_pets`: sorted paths, shuffled by `random.Random(1337)`, the last `validation` of them for
    eval and, as the book has no test split, for test."""
    train_buckets: PositiveInt = 8
    """Size of the train split under `hash`, relative to the other two."""
    eval_buckets: PositiveInt = 1
    """Size of the eval split under `hash`."""
    test_buckets: PositiveInt = 1
    """Size of the test split under `hash`."""
    validation: PositiveInt = 1000
    """Number of validation images under `book_pets`; the book's is 1000 of 7390."""
    max_side: Annotated[int, Field(ge=32, le=4096)] = 512
    """Images are shrunk so that their longest side is at most this many pixels."""
    drop_duplicates: bool = True
    """Quarantine what has the pixels or coordinates of an earlier one."""

    @property
    def buckets(self) -> tuple[int, int, int]:
        """Relative sizes of train, eval and test under `hash`."""
        return self.train_buckets, self.eval_buckets, self.test_buckets
