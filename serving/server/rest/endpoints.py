"""What each REST path does: a request for the service, and its answer as JSON."""

from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.server.call import Call
from serving.server.core import Core
from serving.server.faults import invalid
from serving.server.rest import answers
from serving.server.rest.json_text import parse_object
from serving.server.rest.paths import Target
from serving.server.rest.requests import fill_examples, fill_predict, signature_name
from serving.server.service import Service
from serving.server.signatures import DEFAULT_SIGNATURE
from serving.wire import methods


class Endpoints:
    """Answers what is asked for.

    Args:
        core: knows the signatures, whose types JSON does not tell.
        service: answers, the same for every API.
    """

    def __init__(self, core: Core, service: Service):
        self._core, self._service = core, service

    def answer(self, target: Target, body: bytes, call: Call) -> str:
        """Answers one request.

        Args:
            target: what its path asks for.
            body: JSON; read for predict, classify and regress only.
            call: filled in on the way.

        Returns:
            JSON.

        Raises:
            Fault: it cannot be answered.
        """
        if target.method == "status":
            return self._status(target, call)
        if target.method == "metadata":
            return self._metadata(target, call)
        values = parse_object(body)
        target.spec.signature_name = signature_name(values)
        call.signature = target.spec.signature_name or DEFAULT_SIGNATURE
        if target.method == "predict":
            return self._predict(target, values, call)
        if target.method == "classify":
            classification = ClassificationRequest(model_spec=target.spec)
            fill_examples(classification, values, target.method)
            return answers.classifications(self._service.classify(classification, call))
        regression = RegressionRequest(model_spec=target.spec)
        fill_examples(regression, values, target.method)
        return answers.regressions(self._service.regress(regression, call))

    def _predict(self, target: Target, values: dict, call: Call) -> str:
        request = PredictRequest(model_spec=target.spec)
        with self._core.lease(target.spec) as servable:
            signature = servable.signature(call.signature)
            if signature is None:
                raise invalid(
                    f'Serving signature name: "{call.signature}" not found in signature def'
                )
            in_rows = fill_predict(request, values, signature)
        outputs = self._service.predict(request, call).outputs
        return answers.rows(outputs) if in_rows else answers.columns(outputs)

    def _status(self, target: Target, call: Call) -> str:
        request = GetModelStatusRequest(model_spec=target.spec)
        return answers.status(self._service.get_model_status(request, call))

    def _metadata(self, target: Target, call: Call) -> str:
        request = GetModelMetadataRequest(
            model_spec=target.spec, metadata_field=[methods.METADATA_FIELD]
        )
        return answers.metadata(self._service.get_model_metadata(request, call))
