"""What a served segmentation model answers."""

from typing import Any

import tensorflow as tf

from components import features as f
from components.datasets.examples import make_example
from components.export.images import ImageExport, Outputs, Predict, best, parse
from components.export.warmup_requests import DRAWN_SIDE, drawn_image
from components.preprocessing import decode_masks
from components.tasks.parts import Endpoint
from serving import names


class Part(ImageExport):
    """A model that gives probabilities float32 [batch, side, side, classes]."""

    required_outputs = frozenset(
        {names.OUTPUT_MASK, names.OUTPUT_MASK_PNG, names.OUTPUT_CLASS_FRACTIONS}
    )

    @property
    def unasked(self) -> str:
        """The first class."""
        return self.classes.names[0]

    def answer(self, probabilities: tf.Tensor) -> Outputs:
        """The mask, as ids and as PNG, and each class's share of the pixels."""
        mask = best(probabilities)
        ids = tf.cast(mask, tf.uint8)
        shares = tf.reduce_mean(tf.one_hot(mask, len(self.classes)), axis=[1, 2])
        return {
            names.OUTPUT_MASK: ids,
            names.OUTPUT_MASK_PNG: tf.io.encode_png(ids[..., tf.newaxis]),
            names.OUTPUT_CLASS_FRACTIONS: shares,
        }

    def choose(self, probabilities: tf.Tensor, asked: tf.Tensor) -> tf.Tensor:
        """The first class unless one is asked for."""
        return tf.maximum(asked, 0)

    def score(self, logits: tf.Tensor, probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """The chosen class's logits, summed over its pixels."""
        return self._sum(logits, chosen, _pixels(probabilities, chosen))

    def probability(self, probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """The mean over the chosen class's pixels; 0 if it has none."""
        pixels = _pixels(probabilities, chosen)
        count = tf.reduce_sum(pixels, axis=[1, 2])
        return tf.math.divide_no_nan(self._sum(probabilities, chosen, pixels), count)

    def _sum(self, values: tf.Tensor, chosen: tf.Tensor, pixels: tf.Tensor) -> tf.Tensor:
        """One class's values [batch, height, width, classes], summed over pixels: [batch]."""
        channel = tf.one_hot(chosen, len(self.classes))[:, tf.newaxis, tf.newaxis]
        return tf.reduce_sum(tf.reduce_sum(values * channel, axis=-1) * pixels, axis=[1, 2])

    def own_endpoints(self, predict: Predict, side: int) -> dict[str, Endpoint]:
        """`labels_from_examples`: the true masks at model size."""

        def labels_from_examples(examples: tf.Tensor) -> Outputs:
            return {names.OUTPUT_TRUE_MASK: decode_masks(parse(examples, f.MASK), side)}

        examples = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
        return {names.SIGNATURE_LABELS: Endpoint(labels_from_examples, [examples])}

    def drawn_example(self) -> Any:
        """Also with a mask, of class 0."""
        mask = tf.io.encode_png(tf.zeros([DRAWN_SIDE, DRAWN_SIDE, 1], tf.uint8)).numpy()
        return make_example({f.IMAGE: drawn_image(), f.MASK: mask})


def _pixels(probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Where the chosen class is the likeliest: float32 [batch, height, width] of 0 and 1."""
    return tf.cast(best(probabilities) == chosen[:, tf.newaxis, tf.newaxis], tf.float32)
