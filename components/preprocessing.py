"""Bytes to image tensor: the only place, traced into training, evaluation and serving.

Pictures are stretched to the model's square input, bilinear with antialiasing: with it a picture
gives the same tensor (within rounding) whether ingest had to shrink it first or a client sends
it at camera size. Masks are class ids, so they are resized by nearest neighbour only.
"""

import functools

import tensorflow as tf

from components.headers import Header, not_inlined, read_header, traced_once

_RATIOS = (2, 4, 8)  # by which a JPEG can be shrunk while it is decoded
# Of a batch so many are decoded at once: each may take 150 MB, more were not faster.
_AT_ONCE = 4


def decode_pixels(image_bytes: tf.Tensor, *, check: bool = True) -> tf.Tensor:
    """Decodes one picture at its own size, upright: turned as its EXIF orientation tells.

    Args:
        image_bytes: scalar string; JPEG, PNG, BMP or GIF (its first frame), or a still, opaque
            WebP, which TensorFlow's older versions lack. An alpha channel is dropped, grey becomes
            three equal channels.
        check: False for bytes that were taken before; see `read_header`.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no picture, one cut short, or one of more than
            `serving.pictures.MAX_PIXELS` pixels, which is not decoded.
    """
    return _upright(*_decode(read_header(tf.convert_to_tensor(image_bytes), check)))


def _decode(header: Header, least: int | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Pixels as stored, uint8 [height, width, 3], and the orientation.

    A JPEG is shrunk to a half, a quarter or an eighth while both sides stay above `least` pixels,
    if that is given.
    """

    def whole() -> tf.Tensor:
        return tf.io.decode_image(header.encoded, channels=3, expand_animations=False)

    def shrunk(ratio: int) -> tf.Tensor:
        return tf.io.decode_jpeg(header.encoded, channels=3, ratio=ratio)

    if least is None:
        pixels = whole()
    else:
        fits = header.is_jpeg & (
            tf.reduce_min(header.size) > least * tf.constant(_RATIOS, tf.int64)
        )
        branches = [whole, *(functools.partial(shrunk, ratio) for ratio in _RATIOS)]
        pixels = tf.switch_case(tf.reduce_sum(tf.cast(fits, tf.int32)), branches)
    pixels.set_shape([None, None, 3])
    return pixels, header.orientation


def _upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors [height, width, 3] as an EXIF orientation tells: the stored to the seen."""
    upright = tf.cond(orientation > 1, lambda: _turned(image, orientation), lambda: image)
    upright.set_shape([None, None, 3])
    return upright


@not_inlined
def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    axes = tf.where(orientation > 4, [1, 0, 2], [0, 1, 2])
    mirrored = tf.constant([[o in (3, 4, 7, 8), o in (2, 3, 6, 7), False] for o in range(9)])
    transposed = tf.transpose(image, axes)
    return tf.raw_ops.Reverse(tensor=transposed, dims=tf.gather(mirrored, orientation))


def decode_image(image_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """Decodes and resizes one picture, upright.

    A large JPEG is shrunk while it is decoded, to no less than twice the result's size.

    Args:
        image_bytes: scalar string, see `decode_pixels`.
        image_size: height and width of the result in pixels.

    Returns:
        float32 [image_size, image_size, 3], RGB, values in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: the bytes are no picture, or one cut short.
    """
    return _decode_square(tf.convert_to_tensor(image_bytes), image_size)


@traced_once
def _decode_square(image_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    pixels, orientation = _decode(read_header(image_bytes), least=2 * image_size)
    square = tf.image.resize(pixels, [image_size] * 2, method="bilinear", antialias=True)
    # To turn the square is the same as to stretch the turned, and cheap.
    upright = _upright(square, orientation)
    upright.set_shape([image_size, image_size, 3])
    return upright


def decode_images(image_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """`decode_image` of a batch: string [batch] -> float32 [batch, image_size, image_size, 3]."""
    return tf.map_fn(
        lambda encoded: decode_image(encoded, image_size),
        image_bytes,
        parallel_iterations=_AT_ONCE,
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
    mask = tf.io.decode_png(read_header(tf.convert_to_tensor(mask_bytes)).encoded, channels=1)
    return tf.image.resize(mask, [image_size, image_size], method="nearest")[..., 0]


def decode_masks(mask_bytes: tf.Tensor, image_size: int) -> tf.Tensor:
    """`decode_mask` of a batch: string [batch] -> uint8 [batch, image_size, image_size]."""
    return tf.map_fn(
        lambda encoded: decode_mask(encoded, image_size),
        mask_bytes,
        parallel_iterations=_AT_ONCE,
        fn_output_signature=tf.TensorSpec([image_size, image_size], tf.uint8),
    )
