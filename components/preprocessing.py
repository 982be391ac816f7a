"""Bytes to image tensor: the only place, traced into training, evaluation and serving.

Pictures are stretched to the model's square input, bilinear with antialiasing: with it a picture
gives the same tensor (within rounding) whether ingest had to shrink it first or a client sends
it at camera size. Masks are class ids, so they are resized by nearest neighbour only.
"""

import tensorflow as tf

# A decompression bomb rather than a photograph: a file of a megabyte may stand for gigabytes.
MAX_PIXELS = 50_000_000

_HEADER_BYTES = 32
_PNG, _GIF, _BMP = b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM"
_JPEG, _RIFF = b"\xff\xd8\xff", b"RIFF"  # the latter of WebP


def decode_pixels(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes one picture at its own size, without looking at EXIF orientation.

    Args:
        image_bytes: scalar string; JPEG, PNG, BMP or GIF (its first frame), or a still, opaque
            WebP, which TensorFlow's older versions lack. An alpha channel is dropped, grey becomes
            three equal channels.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no picture, one cut short, or one of more than
            `MAX_PIXELS` pixels, which is not decoded.
    """
    return decode_bounded(_bounded(image_bytes))


def decode_bounded(image_bytes: tf.Tensor) -> tf.Tensor:
    """The same for bytes that `decode_pixels` has taken before.

    A graph with the check cannot be pruned: a function that holds it is run to be on the safe
    side, also where nobody asks for its result.
    """
    image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def _bounded(image_bytes: tf.Tensor) -> tf.Tensor:
    """The same bytes, once their header is known to tell at most `MAX_PIXELS` pixels."""
    pixels = tf.reduce_prod(_told_size(image_bytes))
    message = f"the picture has more than {MAX_PIXELS} pixels"
    check = tf.debugging.assert_less_equal(pixels, tf.constant(MAX_PIXELS, tf.int64), message)
    with tf.control_dependencies([check]):
        return tf.identity(image_bytes)


def _told_size(image_bytes: tf.Tensor) -> tf.Tensor:
    """Height and width as the header tells them, int64 [2]; [0, 0] for what is no picture."""
    start = tf.strings.substr(image_bytes, 0, _HEADER_BYTES)
    header = tf.strings.substr(tf.strings.join([start, b"\0" * _HEADER_BYTES]), 0, _HEADER_BYTES)

    def begins(magic: bytes) -> tf.Tensor:
        return tf.strings.substr(header, 0, len(magic)) == magic

    def pair(at: int, kind: tf.DType, little_endian: bool = True) -> tf.Tensor:
        """Two neighbours, which are width and height in all formats, as height and width."""
        raw = tf.strings.substr(header, at, 2 * kind.size)
        return tf.cast(tf.io.decode_raw(raw, kind, little_endian), tf.int64)[::-1]

    def jpeg() -> tf.Tensor:
        return tf.cast(tf.image.extract_jpeg_shape(image_bytes)[:2], tf.int64)

    def webp() -> tf.Tensor:  # by the first chunk, VP8X (24 bits at 24 and 27), VP8L or VP8
        extended = tf.stack([pair(23, tf.int32)[0], pair(24, tf.int32)[1]]) % 2**24 + 1
        bits = pair(21, tf.int32)[1]
        lossless = tf.stack([bits // 2**14, bits]) % 2**14 + 1
        lossy = pair(26, tf.uint16) % 2**14
        kind = tf.strings.substr(header, 15, 1)
        return tf.where(kind == b"X", extended, tf.where(kind == b"L", lossless, lossy))

    formats = (
        (_JPEG, jpeg),
        (_PNG, lambda: pair(16, tf.int32, little_endian=False) % 2**32),  # IHDR
        (_GIF, lambda: pair(6, tf.uint16)),  # logical screen descriptor
        (_BMP, lambda: tf.abs(pair(18, tf.int32))),  # BITMAPINFOHEADER; top-down: height negative
        (_RIFF, webp),
    )
    return tf.case(
        [(begins(magic), size) for magic, size in formats],
        default=lambda: tf.zeros([2], tf.int64),
    )


def decode_image(image_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """Decodes and resizes one picture.

    Args:
        image_bytes: scalar string, see `decode_pixels`.
        image_size: height and width of the result in pixels.

    Returns:
        float32 [image_size, image_size, 3], RGB, values in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no picture, or one cut short.
    """
    pixels = decode_pixels(image_bytes)
    return tf.image.resize(pixels, [image_size, image_size], method="bilinear", antialias=True)


def decode_images(image_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """`decode_image` of a batch: string [batch] -> float32 [batch, image_size, image_size, 3]."""
    return tf.map_fn(
        lambda encoded: decode_image(encoded, image_size),
        image_bytes,
        fn_output_signature=tf.TensorSpec([image_size, image_size, 3], tf.float32),
    )


def decode_mask(mask_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """Decodes one mask of class ids and resizes it by nearest neighbour.

    Args:
        mask_bytes: scalar string; 8-bit grey PNG whose values are class ids from 0.
        image_size: height and width of the result in pixels.

    Returns:
        uint8 [image_size, image_size], class ids.
    """
    mask = tf.io.decode_png(_bounded(mask_bytes), channels=1)
    return tf.image.resize(mask, [image_size, image_size], method="nearest")[..., 0]


def decode_masks(mask_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """`decode_mask` of a batch: string [batch] -> uint8 [batch, image_size, image_size]."""
    return tf.map_fn(
        lambda encoded: decode_mask(encoded, image_size),
        mask_bytes,
        fn_output_signature=tf.TensorSpec([image_size, image_size], tf.uint8),
    )
