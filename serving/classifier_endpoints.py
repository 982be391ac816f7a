"""What a classifier's endpoints compute from its pictures."""

import keras
import tensorflow as tf

from components import features as f
from serving.class_index import class_of_each
from serving.grad_cam import grad_cam
from serving.overlay import overlay_png

Outputs = dict[str, tf.Tensor]


class ClassifierEndpoints:
    """The graph functions of a classifier with one logit for two classes.

    Args:
        trunk, head: the halves of the model, see `serving.grad_cam.split_model`: float32
            [batch, side, side, 3] in [0, 255] -> logit and probability of class 1 [batch, 1].
    """

    def __init__(self, trunk: keras.Model, head: keras.Model):
        self._trunk, self._head = trunk, head
        self._names = tf.constant(f.CLASS_NAMES)

    def answer(self, images: tf.Tensor) -> Outputs:
        """Label, its probability and all probabilities; see `components.features`."""
        probabilities = _two_classes(self._probability(images))
        best = _best(probabilities)
        return {
            f.OUTPUT_LABEL: tf.gather(self._names, best),
            f.OUTPUT_PROBABILITY: tf.gather(probabilities, best, batch_dims=1),
            f.OUTPUT_PROBABILITIES: probabilities,
        }

    def classify(self, images: tf.Tensor) -> Outputs:
        """All classes with their scores, in the order of the classes, as Classify wants them."""
        scores = _two_classes(self._probability(images))
        return {
            f.OUTPUT_CLASSES: tf.broadcast_to(self._names, tf.shape(scores)),
            f.OUTPUT_SCORES: scores,
        }

    def explain(self, image_bytes: tf.Tensor, images: tf.Tensor, class_index: tf.Tensor) -> Outputs:
        """Grad-CAM of one class a picture, by default of the predicted one."""
        asked = class_of_each(
            class_index, tf.shape(images)[0], len(f.CLASS_NAMES), "the predicted class"
        )

        def chosen_class(probabilities: tf.Tensor) -> tf.Tensor:
            return tf.where(asked < 0, _best(probabilities), asked)

        def score(logits: tf.Tensor, probability: tf.Tensor) -> tf.Tensor:
            # One logit for two classes: what speaks for class 1 speaks against class 0.
            chosen = chosen_class(_two_classes(probability))
            return tf.where(chosen == 1, logits[:, 0], -logits[:, 0])

        heatmap, probability = grad_cam(self._trunk, self._head, images, score)
        probabilities = _two_classes(probability)
        chosen = chosen_class(probabilities)
        return {
            f.OUTPUT_HEATMAP: heatmap,
            f.OUTPUT_OVERLAY_PNG: overlay_png(image_bytes, heatmap),
            f.OUTPUT_LABEL: tf.gather(self._names, chosen),
            f.OUTPUT_PROBABILITY: tf.gather(probabilities, chosen, batch_dims=1),
        }

    def _probability(self, images: tf.Tensor) -> tf.Tensor:
        _, probability = self._head(self._trunk(images, training=False), training=False)
        return probability


def _two_classes(probability: tf.Tensor) -> tf.Tensor:
    """Probability of class 1, [batch, 1] -> probabilities [batch, 2] that sum to 1."""
    return tf.concat([1.0 - probability, probability], axis=-1)


def _best(probabilities: tf.Tensor) -> tf.Tensor:
    """The likeliest class, int32 [batch]."""
    return tf.argmax(probabilities, axis=-1, output_type=tf.int32)
