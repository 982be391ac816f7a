"""MultiInference: several classifications and regressions on the same Examples, in one run."""

from collections.abc import Mapping

import grpc
from tensorflow_serving.apis.inference_pb2 import (
    InferenceTask,
    MultiInferenceRequest,
    MultiInferenceResponse,
)

from serving.server import inference
from serving.server.faults import Fault, invalid
from serving.server.servable import Servable
from serving.server.signatures import Signature, fill_spec, signature_name


def choose(request: MultiInferenceRequest, servable: Servable) -> dict[str, list[str]]:
    """The outputs to compute, by signature.

    Raises:
        Fault: the tasks do not go together, or are no classification or regression.
    """
    chosen: dict[str, list[str]] = {}
    tensors: set[str] = set()
    for task in request.tasks:
        signature = _signature(task, request.tasks[0].model_spec.name, servable)
        if signature.name in chosen:
            raise invalid(f"Duplicate evaluation of signature: {signature.name}")
        if task.method_name not in inference.CHECKS:
            raise Fault(
                grpc.StatusCode.UNIMPLEMENTED,
                f"Unsupported signature method_name: {task.method_name}",
            )
        chosen[signature.name] = inference.CHECKS[task.method_name](signature)
        tensors.add(signature.inputs[inference.INPUTS].tensor)
        if len(tensors) > 1:
            raise invalid("Input tensor must be the same for all Signatures.")
    return chosen


def fill(
    request: MultiInferenceRequest,
    version: int,
    answers: Mapping[str, inference.Outputs],
    examples: int,
) -> MultiInferenceResponse:
    """The response."""
    response = MultiInferenceResponse()
    for task in request.tasks:
        name, result = signature_name(task.model_spec), response.results.add()
        fill_spec(result.model_spec, task.model_spec.name, version, name)
        made = inference.RESULTS[task.method_name](answers[name], examples)
        if task.method_name == inference.CLASSIFY:
            result.classification_result.CopyFrom(made)
        else:
            result.regression_result.CopyFrom(made)
    return response


def _signature(task: InferenceTask, model_name: str, servable: Servable) -> Signature:
    if not task.model_spec.name:
        raise invalid("Found ModelSpec with an empty model name.")
    if task.model_spec.name != model_name:
        raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    name = signature_name(task.model_spec)
    signature = servable.signature(name)
    if signature is None:
        raise invalid(f"Requested signature not found in model graph: {name}")
    return signature
