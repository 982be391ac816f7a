"""Changes one part of a text-format protocol buffer and leaves the rest as it was written.

`text_format` reads and writes whole messages and drops comments. These functions find a field's
place in the text instead. They know the format's outline only (names, braces, strings, comments);
whoever uses them has the parser check the result.
"""

import re
from dataclasses import dataclass

# What may hold marks that are none: comments and strings.
_OPAQUE = re.compile(r"""\#[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""", re.VERBOSE)
_MARK = re.compile(r"(?P<name>\w+)\s*:?\s*[{<] | [}>\[\]]", re.VERBOSE)


class UnknownForm(ValueError):
    """The text is written in a way that this module does not know."""


@dataclass(frozen=True)
class Field:
    """A field that holds a message, by its place in the text, from its name to its closing brace.

    The body is what is inside the braces.
    """

    name: str
    start: int
    end: int
    body: tuple[int, int]


def message_fields(text: str, body: tuple[int, int] | None = None) -> list[Field]:
    """The fields with messages that stand directly in a message (None: in the text), in order.

    Args:
        text: one that the parser takes.
        body: the message's place.

    Raises:
        UnknownForm: a list in brackets.
    """
    fields: list[Field] = []
    opened: list[re.Match[str]] = []
    bare = _OPAQUE.sub(lambda found: " " * len(found[0]), text)
    for mark in _MARK.finditer(bare, *(body or (0, len(text)))):
        if mark["name"]:
            opened.append(mark)
        elif mark[0] in "[]":
            raise UnknownForm(f"at character {mark.start()}")
        else:
            first = opened.pop()
            if not opened:
                inside = first.end(), mark.start()
                fields.append(Field(first["name"], first.start(), mark.end(), inside))
    return fields


def without(text: str, fields: list[Field], body: tuple[int, int]) -> str:
    """A message's text without some of its fields and the blank lines that they would leave."""
    start, stop = body
    kept = []
    for field in fields:
        before = text[start : field.start]
        kept.append(before.rstrip(" \t").removesuffix("\n") if "\n" in before else before)
        start = field.end
    return "".join([*kept, text[start:stop]])
