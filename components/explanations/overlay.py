"""Heatmaps over images, in the colours of matplotlib's `jet`."""

import tensorflow as tf

from components.preprocessing import decode_pixels

OVERLAY_ALPHA = 0.4  # weight of the heatmap's colours over the image, as in the book
# Longest side of an overlay in pixels. At this size blending one takes about 200 MB and its PNG
# at most 13 MB, however large the image is; a larger image is shrunk to it.
OVERLAY_MAX_SIDE = 2048


def overlay_png(image_bytes: tf.Tensor, heatmaps: tf.Tensor) -> tf.Tensor:
    """Lays heatmaps over images, each at its own size.

    The images are decoded once more: whoever asks for the heatmaps alone has no use for their
    full size.

    Args:
        image_bytes: string [batch], encoded images.
        heatmaps: float32 [batch, height, width] in [0, 1], of any size; stretched to the image.

    Returns:
        string [batch], RGB PNG of the image's size, its longest side at most `OVERLAY_MAX_SIDE`.
    """
    # The heatmaps come of the same bytes, so then these are known to be no bombs.
    with tf.control_dependencies([heatmaps]):
        image_bytes = tf.identity(image_bytes)
    # One image at a time: their sizes are the sender's choice.
    return tf.map_fn(
        lambda one: _overlay(*one),
        (image_bytes, heatmaps),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([], tf.string),
    )


def blend(pixels: tf.Tensor, heatmap: tf.Tensor, colors: str = "jet") -> tf.Tensor:
    """Blends an image and the colours of a heatmap: uint8 [height, width, 3], RGB.

    Takes float32 [height, width, 3] in [0, 255] and float32 [height, width] in [0, 1], and
    the name of one of matplotlib's maps: `jet` is the book's, `viridis` an even one.
    """
    from matplotlib import colormaps

    palette = tf.constant(colormaps[colors](range(256))[:, :3] * 255.0, tf.float32)
    colours = tf.gather(palette, tf.cast(tf.round(heatmap * 255.0), tf.int32))
    blended = (pixels + OVERLAY_ALPHA * colours) / (1.0 + OVERLAY_ALPHA)
    return tf.cast(tf.round(blended), tf.uint8)


def _overlay(encoded: tf.Tensor, heatmap: tf.Tensor) -> tf.Tensor:
    pixels = decode_pixels(encoded, check=False)
    own = tf.shape(pixels)[:2]
    longest = tf.reduce_max(own)
    shrunk = tf.cast(tf.round(own * OVERLAY_MAX_SIDE / longest), tf.int32)
    size = tf.where(longest > OVERLAY_MAX_SIDE, tf.maximum(shrunk, 1), own)
    pixels = tf.cond(
        longest > OVERLAY_MAX_SIDE,
        lambda: tf.image.resize(pixels, size, antialias=True),
        lambda: tf.cast(pixels, tf.float32),
    )
    stretched = tf.image.resize(heatmap[..., tf.newaxis], size)[..., 0]
    # zlib's default level takes 4 times as long and saves 2% of the bytes.
    return tf.io.encode_png(blend(pixels, stretched), compression=1)
