"""Classify, Regress and MultiInference: Examples in, labelled scores or values out.

Rules, shapes and wording are those of TensorFlow Serving's classifier.cc, regressor.cc and
multi_inference.cc.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.types_pb2 import DataType
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from serving.server.codec import MAX_INPUT_BYTES
from serving.server.faults import exhausted, failed_precondition, invalid, unimplemented
from serving.server.servable import Outputs, Servable
from serving.server.signatures import Signature, fill_spec, signature_name

CLASSIFY = tf.saved_model.CLASSIFY_METHOD_NAME
REGRESS = tf.saved_model.REGRESS_METHOD_NAME
# Predict runs signatures of all methods.
PREDICTED = (tf.saved_model.PREDICT_METHOD_NAME, CLASSIFY, REGRESS)

INPUTS = tf.saved_model.CLASSIFY_INPUTS  # and REGRESS_INPUTS
CLASSES = tf.saved_model.CLASSIFY_OUTPUT_CLASSES
SCORES = tf.saved_model.CLASSIFY_OUTPUT_SCORES
OUTPUTS = tf.saved_model.REGRESS_OUTPUTS


def serialized_examples(source: Input) -> np.ndarray:
    """The Examples of a request, each with the features of their common context.

    Returns:
        Serialized Examples, `object` [examples]. A feature that context and Example both have is
        the Example's.

    Raises:
        Fault: INVALID_ARGUMENT: there are none; RESOURCE_EXHAUSTED: each with the context, they
            would take too much memory.
    """
    kind = source.WhichOneof("kind")
    examples = getattr(source, kind).examples if kind else ()
    if not examples:
        raise invalid("Input is empty.")
    context = b""
    if kind == "example_list_with_context":
        context = source.example_list_with_context.context.SerializeToString()
    if (size := len(examples) * len(context)) > MAX_INPUT_BYTES:
        told = f"the Examples would take {size} bytes for their context"
        raise exhausted(f"{told}, at most {MAX_INPUT_BYTES} are taken")
    values = np.empty(len(examples), object)
    # Serialized messages one after the other are the merged message.
    values[:] = [context + example.SerializeToString() for example in examples]
    return values


def check(method: str, signature: Signature) -> list[str]:
    """The outputs of a signature that are asked for.

    Args:
        method: CLASSIFY: scores, classes or both; or REGRESS: outputs.
        signature: with one input and outputs of that method's names; else a Fault.
    """
    kind = "classification" if method == CLASSIFY else "regression"
    if signature.method_name not in (None, method):
        raise invalid(
            f"Expected {kind} signature method_name to be {method}. Was: {signature.method_name}"
        )
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    found = len(signature.outputs)
    if method == REGRESS and found != 1:
        raise invalid("Expected one output Tensor.")
    if found not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {found}")
    if INPUTS not in signature.inputs:
        raise failed_precondition(f"No {kind} inputs found in SignatureDef: {signature.name}")
    if not signature.inputs[INPUTS].tensor:
        raise unimplemented(f"input {INPUTS} is no dense tensor")
    if method == REGRESS:
        if OUTPUTS not in signature.outputs:
            raise failed_precondition(f"No {kind} outputs found in SignatureDef: {signature.name}")
        return [OUTPUTS]
    names = [name for name in (CLASSES, SCORES) if name in signature.outputs]
    if not names:
        raise failed_precondition(
            "Expected classification signature outputs to contain at least one of"
            f' "{CLASSES}" or "{SCORES}". Signature was: {signature.name}'
        )
    return names


def classification_result(outputs: Outputs, examples: int) -> ClassificationResult:
    """Labels and scores of each Example.

    Args:
        outputs: `classes`, strings, and `scores`, float32; either or both, [examples, classes].
        examples: how many the request had.

    Raises:
        Fault: INVALID_ARGUMENT; the model answered in another form.
    """
    for name, dtype in ((CLASSES, "DT_STRING"), (SCORES, "DT_FLOAT")):
        if name not in outputs:
            continue
        found = outputs[name]
        if found.ndim != 2:
            raise invalid(
                f"Expected Tensor shape: [batch_size num_classes] but got {_shape(found)}"
            )
        if _type(found) != dtype:
            raise invalid(f"Expected {name} Tensor of {dtype}. Got: {_type(found)}")
        if len(found) != examples:
            raise invalid(f"Expected {name} output batch size of {examples}. Got: {len(found)}")
    widths = [values.shape[1] for values in outputs.values()]
    if len(set(widths)) > 1:
        classes, scores = outputs[CLASSES].shape[1], outputs[SCORES].shape[1]
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes} vs. {scores}"
        )
    shape = (examples, widths[0])
    labels = outputs.get(CLASSES, np.full(shape, b"", object)).tolist()
    scores = outputs.get(SCORES, np.zeros(shape)).tolist()
    result = ClassificationResult()
    for row in zip(labels, scores, strict=True):
        classes = result.classifications.add().classes
        for label, score in zip(*row, strict=True):
            classes.add(label=_text(label), score=score)
    return result


def regression_result(outputs: Outputs, examples: int) -> RegressionResult:
    """The value of each Example.

    Args:
        outputs: `outputs`, float32 [examples] or [examples, 1].
        examples: how many the request had.

    Raises:
        Fault: INVALID_ARGUMENT; the model answered in another form.
    """
    found = outputs[OUTPUTS]
    if found.ndim != 1 and (found.ndim != 2 or found.shape[1] != 1):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or"
            f" [batch_size, 1] but got {_shape(found)}"
        )
    if len(found) != examples:
        raise invalid(
            f"Input batch size did not match output batch size: {examples} vs. {len(found)}"
        )
    if _type(found) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {_type(found)}")
    result = RegressionResult()
    for value in found.ravel().tolist():
        result.regressions.add().value = value
    return result


RESULTS: Mapping[str, Callable[[Outputs, int], Any]] = {
    CLASSIFY: classification_result,
    REGRESS: regression_result,
}


def choose_together(request: MultiInferenceRequest, servable: Servable) -> dict[str, list[str]]:
    """The outputs to compute, by signature; a Fault if the tasks do not go together."""
    chosen: dict[str, list[str]] = {}
    tensors: set[str] = set()
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if task.model_spec.name != request.tasks[0].model_spec.name:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        name = signature_name(task.model_spec)
        signature = servable.signatures.get(name)
        if signature is None:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if name in chosen:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if task.method_name not in RESULTS:
            raise unimplemented(f"Unsupported signature method_name: {task.method_name}")
        chosen[name] = check(task.method_name, signature)
        tensors.add(signature.inputs[INPUTS].tensor)
        if len(tensors) > 1:
            raise invalid("Input tensor must be the same for all Signatures.")
    return chosen


def fill_together(
    request: MultiInferenceRequest, version: int, answers: Mapping[str, Outputs], examples: int
) -> MultiInferenceResponse:
    """The response."""
    response = MultiInferenceResponse()
    for task in request.tasks:
        name, result = signature_name(task.model_spec), response.results.add()
        fill_spec(result.model_spec, task.model_spec.name, version, name)
        made = RESULTS[task.method_name](answers[name], examples)
        kind = "classification" if task.method_name == CLASSIFY else "regression"
        getattr(result, f"{kind}_result").CopyFrom(made)
    return response


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _type(array: np.ndarray) -> str:
    return DataType.Name(tf.as_dtype(array.dtype).as_datatype_enum)


def _text(label: bytes) -> str:
    try:
        return label.decode()
    except UnicodeDecodeError as error:
        # A protobuf string cannot hold it.
        raise invalid(f"a class label is no UTF-8: {label!r}") from error
