"""What the first bytes of an encoded picture tell, by TensorFlow's operations: inside the graph.

Bounds, formats and rules are those of serving/pictures.py. Only operations that every TensorFlow
Serving has are used.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from serving import pictures
from serving.pictures import (
    EXIF,
    EXIF_FRONT,
    MAGIC,
    MAX_BLOCKS,
    MAX_EXIF_ENTRIES,
    MAX_PIXELS,
    PLAIN,
    Order,
)

_HEADER_BYTES = 48
_LARGEST_SIDE = 2**31  # what is counted of a side at most: PNG's have 32 bits, two overflow int64
_WORDS = 64  # places of the word in front of EXIF that are looked at
_WINDOW = 4096  # of a GIF's neighbors of one size, so many are passed over at once

_Read = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


class Header(NamedTuple):
    """Of one picture.

    Attributes:
        encoded: scalar string; of a GIF the first frame alone, for a decoder unpacks all.
        size: int64 [2], pixels a side in any order; the largest that is told.
        is_jpeg: bool scalar.
        orientation: int64 scalar, 1 to 8, as EXIF has it.
    """

    encoded: tf.Tensor
    size: tf.Tensor
    is_jpeg: tf.Tensor
    orientation: tf.Tensor


def traced_once(function: Callable, **options: Any) -> Callable:
    """The function, traced once for all graphs; outside of them as it is, for its plain errors."""
    traced = tf.function(function, autograph=False, reduce_retracing=True, **options)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        # Of several nodes, TensorFlow would have the first run what another's data set calls.
        alone = tf.config.list_logical_devices()[0].name.startswith("/device:")
        return (traced if alone and not tf.executing_eagerly() else function)(*arguments)

    return call


@traced_once
def read_header(image_bytes: tf.Tensor, check: bool = True) -> Header:
    """Reads the header of a picture, scalar string.

    Args:
        image_bytes: the picture.
        check: whether to refuse what is no picture or too large. A graph with the check cannot be
            pruned: a function that holds it is run to be on the safe side, also where nobody asks
            for its result.

    Raises:
        tf.errors.InvalidArgumentError: it is none of `pictures.FORMATS`, or it has more than
            `MAX_PIXELS` pixels.
    """
    header = tf.io.decode_raw(image_bytes, tf.uint8, fixed_length=_HEADER_BYTES)
    magic = np.zeros([len(_KINDS), _HEADER_BYTES], np.uint8)
    mask = np.zeros_like(magic)
    for row, (parts, _) in enumerate(_KINDS):
        for at, part in parts:
            magic[row, at : at + len(part)] = list(part)
            mask[row, at : at + len(part)] = 255
    fits = tf.reduce_all(tf.bitwise.bitwise_and(header, mask) == magic, axis=1)
    kind = tf.argmax(tf.cast(fits, tf.int32), output_type=tf.int32)
    reads = [lambda read=read: read(image_bytes, header) for _, read in _KINDS]
    encoded, size, orientation = tf.switch_case(kind, reads)
    if check:
        pixels = tf.reduce_prod(tf.minimum(size, _LARGEST_SIDE))
        expected = f"{pictures.FORMATS}; a GIF's first frame in at most {MAX_BLOCKS} blocks"
        # TensorFlow's own functions put a branch around this operation.
        checks = [
            tf.raw_ops.Assert(
                condition=tf.strings.length(encoded) > 0, data=[f"no picture: expected {expected}"]
            ),
            tf.raw_ops.Assert(
                condition=pixels <= MAX_PIXELS,
                data=[f"the picture has more than {MAX_PIXELS} pixels: found", pixels],
            ),
        ]
        with tf.control_dependencies(checks):
            encoded = tf.identity(encoded)
    return Header(encoded, size, kind < 2, orientation)


# Not inlined: TensorFlow visits every operation of a branch, also of one that is not taken.
_NOT_INLINED = {"_noinline": True}
not_inlined = functools.partial(
    tf.function, autograph=False, reduce_retracing=True, experimental_attributes=_NOT_INLINED
)


def _still(
    size: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], exif: tuple[bytes, int] | None = None
) -> _Read:
    def read(encoded: tf.Tensor, header: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        orientation = tf.constant(1, tf.int64) if exif is None else _orientation(encoded, *exif)
        return encoded, size(encoded, header), orientation

    return traced_once(read, experimental_attributes=_NOT_INLINED)


def _plain_jpeg(encoded: tf.Tensor, header: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return encoded, _jpeg_size(encoded, header), tf.constant(1, tf.int64)


def _none(*_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    return tf.constant(b""), tf.zeros([2], tf.int64), tf.constant(1, tf.int64)


def _jpeg_size(encoded: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64)


def _bmp_size(_: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    old = _numbers(header, 14, 4) == 12  # of OS/2, with 16 bits a side
    size = tf.where(old, _numbers(header, (18, 20), 2), _numbers(header, (18, 22), 4))
    return tf.minimum(size, 2**32 - size)  # the height is negative where rows go from the top down


def _lossless_size(_: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    bits = _numbers(header, 21, 4)
    return tf.stack([bits, bits // 2**14]) % 2**14 + 1


@not_inlined
def _gif(encoded: tf.Tensor, header: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Walks over the blocks to the end of the first frame; what follows is left out.

    A block is a few bytes and then sub-blocks: a byte that tells their size, and so many; a size of
    0 ends it. Nearly all encoders fill them: neighbors of one size are passed over at once.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    total = tf.size(data)

    def byte(at: tf.Tensor) -> tf.Tensor:
        return tf.cast(data[tf.minimum(at, total - 1)], tf.int32)

    def palette(flags: tf.Tensor) -> tf.Tensor:
        return flags // 128 * 6 * 2 ** (flags % 8)

    def enter(at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The first sub-block of the block that begins here; where the frame is, or -1."""
        frame, extension = byte(at) == ord(","), byte(at) == ord("!")
        inside = tf.where(extension, at + 2, total)
        return tf.where(frame, at + 11 + palette(byte(at + 9)), inside), tf.where(frame, at, -1)

    def ended(at: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
        return (at >= total) | ((frame >= 0) & (byte(at) == 0))

    def go_on(at: tf.Tensor, frame: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = byte(at)
        sizes = tf.cast(data[at : at + _WINDOW * (size + 1) : size + 1], tf.int32)
        other = tf.concat([sizes != size, [True]], 0)
        passed = tf.argmax(tf.cast(other, tf.int32), output_type=tf.int32) * (size + 1)
        inside, entered = enter(at + 1)
        return tf.where(size == 0, inside, at + passed), tf.where(size == 0, entered, frame)

    at, frame = tf.while_loop(
        lambda *where: ~ended(*where),
        go_on,
        enter(13 + palette(byte(tf.constant(10)))),
        maximum_iterations=MAX_BLOCKS,
    )
    first = tf.strings.join([tf.strings.substr(encoded, 0, tf.minimum(at + 1, total)), b";"])
    told = _numbers(_bytes(encoded, frame + 5, 4), (0, 2), 2)
    sizes = tf.stack([_numbers(header, (6, 8), 2), tf.where(frame >= 0, told, 0)])
    size = sizes[tf.argmax(tf.reduce_prod(sizes, axis=1))]
    return tf.where(ended(at, frame), first, b""), size, tf.constant(1, tf.int64)


def _orientation(encoded: tf.Tensor, word: bytes, limit: int) -> tf.Tensor:
    """EXIF's orientation, int64; 1 where there is none or a wrong one."""
    front = EXIF_FRONT % r"\C"
    # Bounded, for a file may be nothing but the word.
    after = tf.strings.split(tf.strings.substr(encoded, 0, limit), word, maxsplit=_WORDS)[1:]
    tagged = tf.boolean_mask(after, tf.strings.regex_full_match(after, rf"{front}\C*"))
    return tf.cond(
        tf.size(tagged) > 0,
        lambda: _tiff_orientation(tf.strings.regex_replace(tagged[0], f"^{front}", r"\1")),
        lambda: tf.constant(1, tf.int64),
    )


@not_inlined
def _tiff_orientation(tiff: tf.Tensor) -> tf.Tensor:
    big = tf.strings.substr(tiff, 0, 1) == b"M"

    def numbers(data: tf.Tensor, at: int, size: int) -> tf.Tensor:
        return tf.where(big, _numbers(data, at, size, "big"), _numbers(data, at, size))

    start = numbers(_bytes(tiff, 4, 4), 0, 4) + 2
    count = numbers(_bytes(tiff, start - 2, 2), 0, 2)
    entries = tf.reshape(_bytes(tiff, start, 12 * MAX_EXIF_ENTRIES), [MAX_EXIF_ENTRIES, 12])
    tags, kinds, values = (numbers(entries, at, 2) for at in (0, 2, 8))
    found = (tags == pictures.ORIENTATION_TAG) & (kinds == pictures.SHORT)
    found &= tf.range(MAX_EXIF_ENTRIES, dtype=tf.int64) < count
    value = values[tf.argmax(tf.cast(found, tf.int32))]
    right = tf.reduce_any(found) & (value >= 1) & (value <= 8)
    return tf.where(right, value, 1)


def _bytes(encoded: tf.Tensor, at: tf.Tensor, size: int) -> tf.Tensor:
    """So many bytes from a position on, uint8 [size]; zeros beyond the end."""
    length = tf.cast(tf.strings.length(encoded), tf.int64)
    rest = tf.strings.substr(encoded, tf.minimum(tf.cast(at, tf.int64), length), size)
    return tf.io.decode_raw(rest, tf.uint8, fixed_length=size)


def _numbers(
    data: tf.Tensor, at: int | tuple[int, ...], size: int, order: Order = "little"
) -> tf.Tensor:
    """Numbers without sign of so many bytes, int64 [...], at one or several places of [..., n]."""
    places = np.add.outer(at, np.arange(size)[:: 1 if order == "little" else -1])
    values = tf.cast(tf.gather(data, places, axis=-1), tf.int64)
    return tf.reduce_sum(values * 256 ** np.arange(size), axis=-1)


_JPEG, _PNG, _WEBP = MAGIC["JPEG"], MAGIC["PNG"], MAGIC["WebP"]
# What a picture begins with, and what reads it then; the first that fits, JPEG's foremost. Plain
# ones are kinds of their own, as to look for EXIF takes a while beside decoding a small picture.
_KINDS: tuple[tuple[tuple[tuple[int, bytes], ...], _Read], ...] = (
    ((*_JPEG, *PLAIN["JPEG"]), _plain_jpeg),
    (_JPEG, _still(_jpeg_size, EXIF["JPEG"])),
    ((*_PNG, *PLAIN["PNG"]), _still(lambda _, head: _numbers(head, (16, 20), 4, "big"))),
    (_PNG, _still(lambda _, head: _numbers(head, (16, 20), 4, "big"), EXIF["PNG"])),
    (MAGIC["GIF"], _gif),
    (MAGIC["BMP"], _still(_bmp_size)),
    (
        (*_WEBP, (15, b" ")),
        _still(lambda _, head: _numbers(head, (26, 28), 2) % 2**14, EXIF["WebP"]),
    ),
    ((*_WEBP, (15, b"L")), _still(_lossless_size, EXIF["WebP"])),
    ((*_WEBP, (15, b"X")), _still(lambda _, head: _numbers(head, (24, 27), 3) + 1, EXIF["WebP"])),
    ((), _none),
)
