"""The endpoints of models of images, shared by all tasks that have such.

Every endpoint takes encoded images (the `_bytes` suffix makes TensorFlow Serving's REST API carry
base64), decodes them with `components.preprocessing` and answers with named tensors; names, dtypes
and shapes are in `serving.names`.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components import features as f
from components import models
from components.datasets.examples import make_example, value_of
from components.explanations.cutting import join_model, split_model
from components.explanations.methods import heatmaps
from components.explanations.overlay import overlay_png
from components.export.flip_averaging import flip_averaged
from components.export.saved_model import ExportOptions
from components.export.warmup_requests import drawn_image
from components.preprocessing import decode_images
from components.tasks.parts import Endpoint, Export
from serving import names

Outputs = dict[str, tf.Tensor]
# Encoded images, string [batch] -> the model's probabilities.
Predict = Callable[[tf.Tensor], tf.Tensor]


class ImageExport(Export):
    """What a task adds: what is told of probabilities, and what Grad-CAM explains of them."""

    @property
    @abstractmethod
    def unasked(self) -> str:
        """What is explained where nobody asks for a class, for messages."""

    @abstractmethod
    def answer(self, probabilities: tf.Tensor) -> Outputs:
        """What `serving_default` and `from_examples` tell, from the model's output."""

    @abstractmethod
    def choose(self, probabilities: tf.Tensor, asked: tf.Tensor) -> tf.Tensor:
        """The classes to explain, int32 [batch], where `asked` is one or -1 for each image."""

    @abstractmethod
    def score(self, logits: tf.Tensor, probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """What speaks for the chosen class of each image, float32 [batch]."""

    @abstractmethod
    def probability(self, probabilities: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """Of the chosen class of each image, float32 [batch] in [0, 1]."""

    @abstractmethod
    def own_endpoints(self, predict: Predict, side: int) -> dict[str, Endpoint]:
        """Endpoints of this task alone; `side` is that of the model's input in pixels."""

    def names_of_each(self, batch_size: tf.Tensor) -> tf.Tensor:
        """All class names for each image, string [batch, classes]."""
        return tf.tile([self.classes.names], [batch_size, 1])

    def endpoints(
        self, model: keras.Model, side: int | None, options: ExportOptions
    ) -> dict[str, Endpoint]:
        """See `Export.endpoints`; the model gives probabilities [batch, ..., classes]."""
        assert side is not None
        explained, logits = models.explained_layers(model, options.spec)
        halves = split_model(model, options.config.grad_cam_layer or explained, logits)
        if options.config.test_time_flip:
            halves = flip_averaged(*halves)
        whole = join_model(*halves)
        answer = _one_by_one(whole) if options.config.target == "cpu" else whole

        def decode(image_bytes: tf.Tensor) -> tf.Tensor:
            # Of no images, some layers fail without saying so.
            message = "a batch of no images: expected at least one"
            check = tf.debugging.Assert(tf.size(image_bytes) > 0, [message])
            with tf.control_dependencies([check]):
                image_bytes = tf.identity(image_bytes)
            return decode_images(image_bytes, side)

        def predict(image_bytes: tf.Tensor) -> tf.Tensor:
            return answer(decode(image_bytes), training=False)

        def serving_default(image_bytes: tf.Tensor) -> Outputs:
            told = self.answer(predict(image_bytes))
            return told | {names.OUTPUT_CLASSES: self.names_of_each(tf.size(image_bytes))}

        def from_examples(examples: tf.Tensor) -> Outputs:
            return self.answer(predict(parse(examples, f.IMAGE)))

        # The default becomes a SignatureDef default, which servers fill in. A vector, for a server
        # that batches requests together takes nothing else.
        def explain(
            image_bytes: tf.Tensor,
            class_index: tf.Tensor = tf.constant([-1], tf.int32),  # noqa: B008
        ) -> Outputs:
            images = decode(image_bytes)
            batch_size = tf.size(image_bytes)
            asked = _class_of_each(class_index, batch_size, len(self.classes), self.unasked)

            def score(logits: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
                return self.score(logits, probabilities, self.choose(probabilities, asked))

            maps, probabilities = options.explain(*halves, images, score)
            heatmap = heatmaps(maps, images.shape[1:3])
            chosen = self.choose(probabilities, asked)
            return {
                names.OUTPUT_HEATMAP: heatmap,
                names.OUTPUT_OVERLAY_PNG: overlay_png(image_bytes, heatmap),
                names.OUTPUT_LABEL: tf.gather(tf.constant(self.classes.names), chosen),
                names.OUTPUT_PROBABILITY: self.probability(probabilities, chosen),
            }

        image_bytes = tf.TensorSpec([None], tf.string, name=names.INPUT_IMAGE_BYTES)
        examples = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
        index = tf.TensorSpec(None, tf.int32, name=names.INPUT_CLASS_INDEX)
        return self.own_endpoints(predict, side) | {
            names.SIGNATURE_SERVING: Endpoint(serving_default, [image_bytes]),
            names.SIGNATURE_FROM_EXAMPLES: Endpoint(from_examples, [examples]),
            names.SIGNATURE_GRAD_CAM: Endpoint(explain, [image_bytes, index]),
        }

    def drawn_example(self) -> Any:
        """The drawn image."""
        return make_example({f.IMAGE: drawn_image()})

    def inputs_of(self, examples: Sequence[bytes]) -> dict[str, np.ndarray]:
        """See `Export.inputs_of`; the class to explain is left to the model."""
        images = [value_of(tf.train.Example.FromString(one), f.IMAGE) for one in examples]
        return {
            names.INPUT_EXAMPLES: np.array(examples, object),
            names.INPUT_IMAGE_BYTES: np.array(images, object),
            names.INPUT_CLASS_INDEX: np.array([-1], np.int32),
        }


def _one_by_one(model: keras.Model) -> Callable[..., tf.Tensor]:
    """The same, called with one picture of a batch after the other, and its weights constants.

    A map that stays in a core's cache saves more than a batch does on a CPU, where kernels that
    are known to stay are laid out for it but once. The loop runs side by side what reads no
    variables. Endpoints share the constants, as all call one function.
    """
    weights = [one.numpy() for one in model.trainable_variables]
    others = [one.numpy() for one in model.non_trainable_variables]

    @tf.function(input_signature=[tf.TensorSpec(model.input.shape[1:], tf.float32)])
    def answer(image: tf.Tensor) -> tf.Tensor:
        constants = [[tf.constant(one) for one in values] for values in (weights, others)]
        return model.stateless_call(*constants, image[tf.newaxis], training=False)[0][0]

    signature = tf.TensorSpec(model.output.shape[1:], tf.float32)
    return lambda images, training: tf.map_fn(answer, images, fn_output_signature=signature)


def best(probabilities: tf.Tensor) -> tf.Tensor:
    """The likeliest class, int32 [batch] or [batch, height, width]."""
    return tf.argmax(probabilities, axis=-1, output_type=tf.int32)


def parse(examples: tf.Tensor, key: str) -> tf.Tensor:
    """The bytes feature `key` of serialized Examples, string [batch]."""
    return tf.io.parse_example(examples, {key: tf.io.FixedLenFeature([], tf.string)})[key]


def _class_of_each(
    class_index: tf.Tensor, batch_size: tf.Tensor, classes: int, default: str
) -> tf.Tensor:
    """One class index per image, int32 [batch], once each is known to be -1 or a class.

    Of `class_index`, int32, a scalar or [1] is meant for every image, [batch] has one each; in a
    graph, running it with anything else fails with INVALID_ARGUMENT. The default is what -1 stands
    for, for the message.
    """
    rank, count = tf.rank(class_index), tf.size(class_index)
    fits = tf.logical_and(rank <= 1, tf.logical_or(count == 1, count == batch_size))
    length = tf.debugging.Assert(
        fits,
        [
            "class_index: expected a scalar, one value for all images ([1]) or one for each"
            " ([batch]); found shape",
            tf.shape(class_index),
            "for a batch of",
            batch_size,
        ],
    )
    message = f"class_index: expected -1 ({default}) or one of 0 to {classes - 1}"
    known = tf.reduce_all(tf.logical_and(class_index >= -1, class_index < classes))
    # One value at a time is printed otherwise.
    value = tf.debugging.Assert(known, [message + "; found", class_index], summarize=8)
    with tf.control_dependencies([length, value]):
        return tf.broadcast_to(tf.reshape(class_index, [-1]), [batch_size])
