"""What a segmentation model's endpoints compute from its pictures."""

import keras
import tensorflow as tf

from components import features as f
from components.explanations.grad_cam import grad_cam, join_model
from components.explanations.overlay import overlay_png
from components.export.class_index import class_of_each
from serving import names

Outputs = dict[str, tf.Tensor]


class SegmenterEndpoints:
    """The graph functions of a segmentation model.

    Args:
        trunk, head: the halves of the model, see `grad_cam.split_model`: float32
            [batch, side, side, 3] in [0, 255] -> logits and probabilities of the classes
            [batch, side, side, classes].
    """

    def __init__(self, trunk: keras.Model, head: keras.Model):
        self._trunk, self._head = trunk, head
        self._model = join_model(trunk, head)
        self._classes = len(f.MASK_CLASS_NAMES)

    def answer(self, images: tf.Tensor) -> Outputs:
        """The mask, as ids and as PNG, and each class's share; see `components.features`."""
        mask = _best(self._model(images, training=False))
        ids = tf.cast(mask, tf.uint8)
        shares = tf.reduce_mean(tf.one_hot(mask, self._classes), axis=[1, 2])
        return {
            names.OUTPUT_MASK: ids,
            names.OUTPUT_MASK_PNG: tf.io.encode_png(ids[..., tf.newaxis]),
            names.OUTPUT_CLASS_FRACTIONS: shares,
        }

    def explain(self, image_bytes: tf.Tensor, images: tf.Tensor, class_index: tf.Tensor) -> Outputs:
        """Grad-CAM of one class a picture, summed over its pixels; by default the foreground."""
        asked = class_of_each(
            class_index, tf.shape(images)[0], self._classes, f.MASK_CLASS_NAMES[0]
        )
        chosen = tf.maximum(asked, 0)
        its_channel = tf.one_hot(chosen, self._classes)[:, tf.newaxis, tf.newaxis]

        def of_class(values: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
            """Sum over the pixels of the class, [batch]."""
            return tf.reduce_sum(tf.reduce_sum(values * its_channel, axis=-1) * pixels, axis=[1, 2])

        def its_pixels(probabilities: tf.Tensor) -> tf.Tensor:
            return tf.cast(_best(probabilities) == chosen[:, tf.newaxis, tf.newaxis], tf.float32)

        def score(logits: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
            return of_class(logits, its_pixels(probabilities))

        heatmap, probabilities = grad_cam(self._trunk, self._head, images, score)
        pixels = its_pixels(probabilities)
        count = tf.reduce_sum(pixels, axis=[1, 2])
        return {
            names.OUTPUT_HEATMAP: heatmap,
            names.OUTPUT_OVERLAY_PNG: overlay_png(image_bytes, heatmap),
            names.OUTPUT_LABEL: tf.gather(tf.constant(f.MASK_CLASS_NAMES), chosen),
            names.OUTPUT_PROBABILITY: tf.math.divide_no_nan(of_class(probabilities, pixels), count),
        }


def _best(probabilities: tf.Tensor) -> tf.Tensor:
    """The likeliest class of each pixel, int32 [batch, height, width]."""
    return tf.argmax(probabilities, axis=-1, output_type=tf.int32)
