"""Where the data lies and how it is read; a section of the pipeline's configuration."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from components.settings import BelowOne, Natural, Section
from serving.errors import InputError

Value = int | list[int]  # of a mask's pixels: an id, or red, green and blue


class DataConfig(Section):
    """Where the data lies, and which classes it has."""

    path: str = ""
    """Folder with the data; `--data` sets it."""
    layout: str = ""
    """How the folder is laid out: a name, or the import path of a reader `package.module:function`.
    Empty: the task's own (`auto` of image_classification looks at the folder)."""
    classes: list[str] | dict[str, str | int | list[str] | list[int]] | None = None
    """Pins the classes, in this order: names; or name -> other names that it has in the data, such
    as `cat: [Cat, cats]`; of masks name -> id, or name -> [red, green, blue] (a list: ids from 0).
    None: as found, sorted as texts (10 before 2), of masks by value, or in the order
    of Oxford's list. Names are compared without regard to case."""
    ignored: int | list[int] | None = None
    """Value of masks' pixels that count nowhere: an id, or [red, green, blue], as the classes have.
    None: there is none; but where no classes are pinned and the other ids are below 100, 255 is
    taken for it, as in PASCAL VOC and Cityscapes (pin it to make it a class)."""
    min_images: Natural = 0
    """Classes with fewer images are left out; 0: none is."""
    min_share: dict[str, BelowOne] = {}
    """Mask class -> share of the pixels; masks that have no more of it are left out."""
    features: dict[Literal["image", "label", "mask"], str] = {}
    """Feature keys of the layout `tfrecord`; empty: those of TensorFlow's own data sets."""
    labels: Literal["breed", "species"] = "breed"
    """What the layout `oxford_list` takes for the classes: 37 breeds, or cat and dog."""

    def names(self) -> list[str]:
        """The pinned names in order; empty: none are pinned."""
        return list(self.classes or [])

    def aliases(self) -> dict[str, list[str]]:
        """Pinned name -> what it may be called in the data, itself first."""
        if not isinstance(self.classes, dict):
            return {name: [name] for name in self.names()}
        return {
            name: [name, *(other if _is_texts(other) else [str(other)])]  # type: ignore[misc]
            for name, other in self.classes.items()
        }

    def values(self) -> dict[str, Value]:
        """Pinned mask class -> its value.

        Raises:
            InputError: a class has none.
        """
        if not isinstance(self.classes, dict):
            return {name: index for index, name in enumerate(self.names())}
        values: dict[str, Value] = {}
        for name, value in self.classes.items():
            if isinstance(value, str) or _is_texts(value):
                raise InputError(
                    f"data.classes.{name}",
                    expected="an id or [red, green, blue], for masks",
                    found=repr(value),
                )
            values[name] = value  # type: ignore[assignment]
        return values

    def mistakes(self) -> Iterator[InputError]:
        """Names that cannot be classes, values that cannot be told apart."""
        names = self.names()
        if self.classes is not None and len(names) < 2:
            yield InputError("data.classes", expected="at least 2 classes", found=str(len(names)))
        yield from name_mistakes("data.classes", names)
        # A name may be repeated among its own aliases, not among those of another class.
        called = Counter(names if isinstance(self.classes, list) else [])
        if isinstance(self.classes, dict):
            called.update(alias for other in self.aliases().values() for alias in set(other))
        for alias in [alias for alias, count in called.items() if count > 1]:
            yield InputError(f"data.classes: '{alias}'", expected="one class", found="several")
        other = self.classes.values() if isinstance(self.classes, dict) else []
        values = [value for value in other if not (isinstance(value, str) or _is_texts(value))]
        if len({type(value) for value in values}) > 1:
            yield InputError("data.classes", expected="ids or colors", found="both")
        for color in (*values, self.ignored):
            if isinstance(color, list) and len(color) != 3:
                yield InputError("data", expected="colors as [red, green, blue]", found=str(color))
        for name in set(self.min_share) - set(names) if names else ():
            expected = f"one of {', '.join(names)}"
            yield InputError("data.min_share", expected=expected, found=f"'{name}'")

    def label_mistakes(self) -> Iterator[InputError]:
        """What is of masks alone."""
        for key in ("ignored", "min_share"):
            if getattr(self, key) not in (None, {}):
                found = str(getattr(self, key))
                yield InputError(f"data.{key}", expected="none but for masks", found=found)

    def mask_mistakes(self, found: Sequence[Value] = ()) -> Iterator[InputError]:
        """What cannot be values of masks, or ignored beside them, or beside those `found`."""
        try:
            pinned = list(self.values().values())
        except InputError as error:
            yield error
            return
        ignored = [] if self.ignored is None else [self.ignored]
        for value in (*pinned, *ignored):
            parts, end = (value, 256) if isinstance(value, list) else ([value], 1 << 31)
            if not all(0 <= part < end for part in parts):
                expected = "ids from 0, or colors of 0 to 255"
                yield InputError("data: values of masks", expected=expected, found=str(value))
        for value in ignored:
            kinds = {isinstance(other, list) for other in (*pinned, *found)}
            if kinds == {not isinstance(value, list)}:
                expected = "[red, green, blue]" if True in kinds else "an id"
                yield InputError(
                    "data.ignored", expected=f"{expected}, as the classes have", found=str(value)
                )
            if value in pinned:
                told = f"{value}, the value of a class"
                yield InputError("data.ignored", expected="a value of its own", found=told)


def name_mistakes(where: str, names: list[str]) -> Iterator[InputError]:
    """What keeps texts from being the names of classes; the first few of them.

    Args:
        where: the key or the folder, for messages.
        names: of the classes.
    """
    wrong = [name for name in names if not name.strip() or "/" in name or not is_utf8(name)]
    if wrong:
        found = ", ".join(repr(printable(name)) for name in wrong[:3])
        yield InputError(where, expected="names in UTF-8 without '/'", found=found)


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence: all of a few, the first of many and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def printable(text: str) -> str:
    """A text as UTF-8: what is none of it as `\\udce9`."""
    return text.encode(errors="backslashreplace").decode()


def is_utf8(text: str) -> bool:
    """Whether a text that came from bytes was UTF-8."""
    return text.isascii() or printable(text) == text


def _is_texts(other: object) -> bool:
    return isinstance(other, list) and all(isinstance(text, str) for text in other)
