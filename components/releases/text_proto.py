"""Changes one part of a text-format protocol buffer and leaves the rest as it was written.

`text_format` reads and writes whole messages and drops comments. These functions find a field's
place in the text instead. They know the format's outline only (names, braces, strings, comments);
whoever uses them has the parser check the result.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*) | (?P<space>\s+) | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?P<mark>[{}<>\[\]:,;]) | (?P<word>[^\s{}<>\[\]:,;"'\#]+)""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}


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

    Raises:
        UnknownForm: a list in brackets, or no text format at all.
    """
    start, stop = body or (0, len(text))
    fields: list[Field] = []
    opened: list[tuple[str, int, int]] = []  # closing brace, place of the name, of the body
    word, word_start = "", start
    position = start
    while position < stop:
        token = _TOKEN.match(text, position, stop)
        if token is None or token.group() in ("[", "]"):
            raise UnknownForm(f"at character {position}")
        mark = token.group("mark")
        if token.lastgroup == "word":
            word, word_start = token.group(), position
        elif mark in _CLOSING:
            opened.append((_CLOSING[mark], word_start, token.end()))
            if len(opened) == 1:
                name = word
        elif mark in ("}", ">"):
            if not opened or opened[-1][0] != mark:
                raise UnknownForm(f"unexpected {mark} at character {position}")
            _, name_start, body_start = opened.pop()
            if not opened:
                fields.append(Field(name, name_start, token.end(), (body_start, position)))
        position = token.end()
    if opened:
        raise UnknownForm("a brace is not closed")
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
