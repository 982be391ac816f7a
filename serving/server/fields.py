"""How many fields a message holds, before it is parsed: each may take 80 times its bytes."""

from collections.abc import Mapping
from functools import cache
from typing import TypeAlias

from google.protobuf.descriptor import Descriptor

_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}  # wire type: bytes
_LONGEST_VARINT = 10  # bytes; whatever goes on after them is no message

_Inner: TypeAlias = Mapping[int, Descriptor]


def count_fields(wire: bytes, kind: Descriptor, most: int) -> int:
    """Counts the fields of a serialized message and of all messages in it.

    By the wire format (protobuf.dev/programming-guides/encoding), in time that grows with the
    fields, not with the bytes. What is no message is counted as far as it can be read.

    Args:
        wire: the message.
        kind: of it.
        most: where to stop.

    Returns:
        The number of fields; `most` + 1: more than `most`.
    """
    count, at, end, inner = 0, 0, len(wire), _messages(kind)
    around: list[tuple[int, _Inner]] = []  # ends and fields of the messages that this one is in
    try:
        while count <= most:
            while at >= end:
                if not around:
                    return count
                end, inner = around.pop()
            count += 1
            key, at = _varint(wire, at)
            if key & 7 == _LENGTH:
                size, at = _varint(wire, at)
                if (message := inner.get(key >> 3)) and size:
                    around.append((end, inner))
                    end, inner = at + size, _messages(message)
                else:
                    at += size
            elif key & 7 == _VARINT:
                _, at = _varint(wire, at)
            else:
                at += _FIXED.get(key & 7, 0)
    except IndexError:
        pass  # it ends in the middle of a number
    return count


def _varint(wire: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = wire[at]
    if value < 128:
        return value, at + 1
    value, start = value & 127, at
    while (byte := wire[at := at + 1]) > 127 and at - start < _LONGEST_VARINT:
        value |= (byte & 127) << 7 * (at - start)
    return value | byte << 7 * (at - start), at + 1


@cache
def _messages(kind: Descriptor) -> _Inner:
    return {field.number: field.message_type for field in kind.fields if field.message_type}
