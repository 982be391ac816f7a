"""The functions exported into the SavedModel: what TensorFlow Serving answers with.

Every endpoint takes encoded pictures (the `_bytes` suffix makes TensorFlow Serving's REST API
carry base64), decodes them with `components.preprocessing` and answers with named tensors; the
names, dtypes and shapes are in `components.features`.
"""

from pathlib import Path

import keras
import tensorflow as tf

from components import features as f
from components.explanations.grad_cam import split_model
from components.export.classifier_endpoints import ClassifierEndpoints
from components.export.flip_averaging import flip_averaged
from components.export.segmenter_endpoints import SegmenterEndpoints
from components.export.signatures import finish_signatures
from components.export.warmup_requests import picture_requests, write_warmup_requests
from components.models import ModelSpec
from components.preprocessing import decode_images, decode_masks
from serving import names

Outputs = dict[str, tf.Tensor]


def export_model(
    model: keras.Model,
    folder: Path,
    *,
    image_size: int,
    problem: str,
    spec: ModelSpec,
    grad_cam_layer: str = "",
    test_time_flip: bool = False,
) -> None:
    """Writes a SavedModel with all endpoints and, beside it, requests to warm a server up with.

    Args:
        model: float32 [batch, image_size, image_size, 3] in [0, 255] -> probability of class 1
            [batch, 1] (classification) or class probabilities [batch, height, width, classes]
            (segmentation).
        folder: the SavedModel's folder; must not exist yet.
        image_size: side of the model's square input in pixels.
        problem: `classification` or `segmentation`.
        spec: names the layer that Grad-CAM explains and the one that gives the logits.
        grad_cam_layer: another layer to explain; see `grad_cam.check_layer`.
        test_time_flip: whether all answers are those of picture and mirror image together; see
            `components.export.flip_averaging`.
    """
    halves = split_model(model, grad_cam_layer or spec.grad_cam_layer, spec.logits_layer)
    if test_time_flip:
        halves = flip_averaged(*halves)
    image_bytes = tf.TensorSpec([None], tf.string, name=names.INPUT_IMAGE_BYTES)
    examples = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
    archive = keras.export.ExportArchive()
    archive.track(model)
    endpoints: ClassifierEndpoints | SegmenterEndpoints
    methods = {}

    def decode(image_bytes: tf.Tensor) -> tf.Tensor:
        return decode_images(_not_empty(image_bytes), image_size)

    def images_of(examples: tf.Tensor) -> tf.Tensor:
        return decode(_parse(examples, f.IMAGE))

    if problem == "classification":
        endpoints = classifier = ClassifierEndpoints(*halves)

        def classify(inputs: tf.Tensor) -> Outputs:
            return classifier.classify(images_of(inputs))

        inputs = tf.TensorSpec([None], tf.string, name=names.INPUT_CLASSIFY)
        archive.add_endpoint(names.SIGNATURE_CLASSIFY, classify, [inputs])
        methods[names.SIGNATURE_CLASSIFY] = tf.saved_model.CLASSIFY_METHOD_NAME
    else:
        endpoints = SegmenterEndpoints(*halves)

        def labels_from_examples(examples: tf.Tensor) -> Outputs:
            return {names.OUTPUT_TRUE_MASK: decode_masks(_parse(examples, f.MASK), image_size)}

        archive.add_endpoint(names.SIGNATURE_LABELS, labels_from_examples, [examples])

    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        return endpoints.answer(decode(image_bytes))

    def from_examples(examples: tf.Tensor) -> Outputs:
        return endpoints.answer(images_of(examples))

    # The default becomes a SignatureDef default, which servers fill in. A vector, for a server
    # that batches requests together takes nothing else.
    def explained(
        image_bytes: tf.Tensor,
        class_index: tf.Tensor = tf.constant([-1], tf.int32),  # noqa: B008
    ) -> Outputs:
        return endpoints.explain(image_bytes, decode(image_bytes), class_index)

    archive.add_endpoint(names.SIGNATURE_SERVING, serving_default, [image_bytes])
    archive.add_endpoint(names.SIGNATURE_FROM_EXAMPLES, from_examples, [examples])
    index = tf.TensorSpec(None, tf.int32, name=names.INPUT_CLASS_INDEX)
    archive.add_endpoint(names.SIGNATURE_GRAD_CAM, explained, [image_bytes, index])
    archive.write_out(str(folder), verbose=False)
    finish_signatures(folder, methods)
    write_warmup_requests(folder, picture_requests(problem))


def _parse(examples: tf.Tensor, key: str) -> tf.Tensor:
    """The bytes feature `key` of serialized Examples, string [batch]."""
    return tf.io.parse_example(examples, {key: tf.io.FixedLenFeature([], tf.string)})[key]


def _not_empty(image_bytes: tf.Tensor) -> tf.Tensor:
    """The same pictures, if there are any: of none, some layers fail without saying so."""
    message = "a batch of no pictures: expected at least one"
    check = tf.debugging.Assert(tf.size(image_bytes) > 0, [message])
    with tf.control_dependencies([check]):
        return tf.identity(image_bytes)
