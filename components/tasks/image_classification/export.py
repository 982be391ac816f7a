"""What a served classifier answers."""

import tensorflow as tf

from components import features as f
from components.explanations.methods import class_score
from components.export.images import ImageExport, Outputs, Predict, best, parse
from components.tasks.parts import Endpoint
from serving import names


class Part(ImageExport):
    """A model that gives probabilities float32 [batch, classes]."""

    required_outputs = frozenset(
        {names.OUTPUT_LABEL, names.OUTPUT_PROBABILITY, names.OUTPUT_PROBABILITIES}
    )
    unasked = "the predicted class"

    def answer(self, probabilities: tf.Tensor) -> Outputs:
        """Label, its probability and all probabilities."""
        likeliest = best(probabilities)
        return {
            names.OUTPUT_LABEL: tf.gather(tf.constant(self.classes.names), likeliest),
            names.OUTPUT_PROBABILITY: self.probability(probabilities, likeliest),
            names.OUTPUT_PROBABILITIES: probabilities,
        }

    def choose(self, probabilities: tf.Tensor, asked: tf.Tensor) -> tf.Tensor:
        """The predicted class unless one is asked for."""
        return tf.where(asked < 0, best(probabilities), asked)

    def score(self, logits: tf.Tensor, probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """The chosen class's logit."""
        return class_score(logits, chosen)

    def probability(self, probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """The chosen class's."""
        return tf.gather(probabilities, chosen, batch_dims=1)

    def own_endpoints(self, predict: Predict, side: int) -> dict[str, Endpoint]:
        """`classify`: all classes with their scores, in their order, as Classify wants them."""

        def classify(inputs: tf.Tensor) -> Outputs:
            return {
                names.OUTPUT_CLASSES: self.names_of_each(tf.size(inputs)),
                names.OUTPUT_SCORES: predict(parse(inputs, f.IMAGE)),
            }

        inputs = tf.TensorSpec([None], tf.string, name=names.INPUT_CLASSIFY)
        method = tf.saved_model.CLASSIFY_METHOD_NAME
        return {names.SIGNATURE_CLASSIFY: Endpoint(classify, [inputs], method)}
