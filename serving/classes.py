"""The classes of a data set, as data: what a model tells apart, in the order of its outputs.

Ingest finds or is given them and writes them beside the Examples; the trainer puts them into the
SavedModel. Nothing else spells a class name.
"""

import json
from dataclasses import asdict, dataclass

from serving.errors import InputError

CLASSES_FILE = "classes.json"  # beside the Examples' splits
IGNORED = 255  # the value of a stored mask's pixels that count nowhere

Color = tuple[int, int, int]  # red, green, blue in [0, 255]


@dataclass(frozen=True)
class Classes:
    """Names in the order of the model's outputs, and how masks show them.

    Attributes:
        names: at least two, each once, UTF-8.
        colors: of each class in a drawn mask; empty where there are no masks.
        ignored: value (`IGNORED`) of a stored mask's pixels that count nowhere; None: none do.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...] = ()
    ignored: int | None = None

    def __len__(self) -> int:
        return len(self.names)

    def to_json(self) -> str:
        """The content of `CLASSES_FILE`; the same classes give the same text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Classes":
        """Reads what `to_json` wrote.

        Args:
            text: the content.
            where: the file, for messages.

        Raises:
            InputError: it is something else.
        """
        try:
            read = json.loads(text)
            ignored = read["ignored"]
            return cls(
                tuple(str(name) for name in read["names"]),
                tuple((int(r), int(g), int(b)) for r, g, b in read["colors"]),
                None if ignored is None else int(ignored),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                where, expected="names, colors and ignored as JSON", found="something else"
            ) from error
