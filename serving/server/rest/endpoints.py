"""What each REST path does: a request for the service, and its answer as JSON."""

from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.server.call import Call
from serving.server.faults import invalid
from serving.server.rest import answers
from serving.server.rest.json_text import parse_object
from serving.server.rest.paths import Target
from serving.server.rest.requests import fill_examples, fill_predict, signature_name
from serving.server.service import Service
from serving.server.signatures import DEFAULT_SIGNATURE
from serving.wire import methods


def answer(service: Service, target: Target, body: bytes, call: Call) -> str:
    """Answers one request."""
    spec = target.spec
    if target.method == "status":
        return answers.status(
            service.get_model_status(GetModelStatusRequest(model_spec=spec), call)
        )
    if target.method == "metadata":
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=[methods.METADATA_FIELD])
        return answers.metadata(service.get_model_metadata(request, call))
    values = parse_object(body)
    spec.signature_name = signature_name(values)
    call.signature = spec.signature_name or DEFAULT_SIGNATURE
    if target.method == "predict":
        return _predict(service, PredictRequest(model_spec=spec), values, call)
    if target.method == "classify":
        classification = ClassificationRequest(model_spec=spec)
        fill_examples(classification, values, target.method)
        return answers.classifications(service.classify(classification, call))
    regression = RegressionRequest(model_spec=spec)
    fill_examples(regression, values, target.method)
    return answers.regressions(service.regress(regression, call))


def _predict(service: Service, request: PredictRequest, values: dict, call: Call) -> str:
    # JSON does not tell the types: the signature does.
    with service.core.lease(request.model_spec) as servable:
        signature = servable.signature(call.signature)
        if signature is None:
            raise invalid(f'Serving signature name: "{call.signature}" not found in signature def')
        in_rows = fill_predict(request, values, signature)
    outputs = service.predict(request, call).outputs
    return answers.rows(outputs) if in_rows else answers.columns(outputs)
