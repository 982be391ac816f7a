"""What a classifier's endpoints compute from its pictures."""

import keras
import tensorflow as tf

from components import features as f
from components.explanations.grad_cam import grad_cam, join_model
from components.explanations.overlay import overlay_png
from components.export.class_index import class_of_each
from serving import names

Outputs = dict[str, tf.Tensor]


class ClassifierEndpoints:
    """The graph functions of a classifier with one logit for two classes.

    Args:
        trunk, head: the halves of the model, see `grad_cam.split_model`: float32
            [batch, side, side, 3] in [0, 255] -> logit and probability of class 1 [batch, 1].
    """

    def __init__(self, trunk: keras.Model, head: keras.Model):
        self._trunk, self._head = trunk, head
        self._model = join_model(trunk, head)
        self._names = tf.constant(f.CLASS_NAMES)

    def answer(self, images: tf.Tensor) -> Outputs:
        """Label, its probability and all probabilities; see `components.features`."""
        probabilities = _two_classes(self._model(images, training=False))
        best = _best(probabilities)
        return {
            names.OUTPUT_LABEL: tf.gather(self._names, best),
            names.OUTPUT_PROBABILITY: tf.gather(probabilities, best, batch_dims=1),
            names.OUTPUT_PROBABILITIES: probabilities,
        }

    def classify(self, images: tf.Tensor) -> Outputs:
        """All classes with their scores, in the order of the classes, as Classify wants them."""
        scores = _two_classes(self._model(images, training=False))
        return {
            names.OUTPUT_CLASSES: tf.broadcast_to(self._names, tf.shape(scores)),
            names.OUTPUT_SCORES: scores,
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
            names.OUTPUT_HEATMAP: heatmap,
            names.OUTPUT_OVERLAY_PNG: overlay_png(image_bytes, heatmap),
            names.OUTPUT_LABEL: tf.gather(self._names, chosen),
            names.OUTPUT_PROBABILITY: tf.gather(probabilities, chosen, batch_dims=1),
        }


def _two_classes(probability: tf.Tensor) -> tf.Tensor:
    """Probability of class 1, [batch, 1] -> probabilities [batch, 2] that sum to 1."""
    return tf.concat([1.0 - probability, probability], axis=-1)


def _best(probabilities: tf.Tensor) -> tf.Tensor:
    """The likeliest class, int32 [batch]."""
    return tf.argmax(probabilities, axis=-1, output_type=tf.int32)
