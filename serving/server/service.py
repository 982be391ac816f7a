"""The methods of TensorFlow Serving, a request message to a response message.

gRPC and REST both come here. Codes and wording are TensorFlow Serving's.
"""

from typing import TypeAlias, TypeVar

import grpc
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
)
from tensorflow_serving.apis.get_model_status_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from serving.server import inference
from serving.server.call import Call
from serving.server.codec import encode
from serving.server.core import Core
from serving.server.faults import Fault, failed_precondition, invalid
from serving.server.observer import Observer, batch_size
from serving.server.options import DEFAULTS, ServerOptions
from serving.server.signatures import fill_spec, signature_name
from serving.wire import methods

WithResult = TypeVar("WithResult", ClassificationResponse, RegressionResponse)
AnyInference: TypeAlias = PredictRequest | ClassificationRequest | RegressionRequest


class Service:
    """Answers requests with the models of a core.

    Each method takes the request and the observer's call, in which it notes model, version and
    signature, and raises `Fault` for what it cannot answer.

    Args:
        core: lends the versions that answer.
        observer: gets the inferences that may be sampled.
        options: tell how numbers are answered, and whether whoever asks may change the models.
    """

    def __init__(self, core: Core, observer: Observer, options: ServerOptions = DEFAULTS):
        self.core = core
        self._observer = observer
        self._options = options

    def predict(self, request: PredictRequest, call: Call) -> PredictResponse:
        """Runs a signature of a model."""
        spec, name = _noted(request, call)
        with self.core.lease(spec) as servable:
            call.version = servable.version
            signature = servable.signatures.get(name)
            if signature is None:
                raise failed_precondition(f'Serving signature key "{name}" not found.')
            if signature.method_name not in (None, *inference.PREDICTED):
                known = f"one of {{{', '.join(inference.PREDICTED)}}}. Was: {signature.method_name}"
                raise invalid(f"Expected prediction signature method_name to be {known}")
            with call.running():
                chosen = {name: signature.choose(request.output_filter)}
                arrays = signature.decode(request.inputs)
                outputs = servable.run(arrays, chosen, wanted=call.wanted)[name]
            response = PredictResponse()
            fill_spec(response.model_spec, spec.name, servable.version, name)
        as_content = self._options.enable_serialization_as_tensor_content
        for output, value in outputs.items():
            dtype = signature.outputs[output].dtype
            encode(response.outputs[output], value, dtype, as_content=as_content)
        self._observer.sample(call, request, response)
        return response

    def classify(self, request: ClassificationRequest, call: Call) -> ClassificationResponse:
        """Runs a classification signature on Examples."""
        return self._infer(request, call, ClassificationResponse(), inference.CLASSIFY)

    def regress(self, request: RegressionRequest, call: Call) -> RegressionResponse:
        """Runs a regression signature on Examples."""
        return self._infer(request, call, RegressionResponse(), inference.REGRESS)

    def _infer(
        self,
        request: ClassificationRequest | RegressionRequest,
        call: Call,
        response: WithResult,
        method: str,
    ) -> WithResult:
        spec, name = _noted(request, call)
        with self.core.lease(spec) as servable:
            call.version = servable.version
            signature = servable.signatures.get(name)
            if signature is None:
                raise invalid(f"No signature was found with the name: {name}")
            chosen = {name: inference.check(method, signature)}
            examples = inference.serialized_examples(request.input)
            with call.running():
                answers = servable.run({inference.INPUTS: examples}, chosen, wanted=call.wanted)
            fill_spec(response.model_spec, spec.name, servable.version, name)
        response.result.CopyFrom(inference.RESULTS[method](answers[name], len(examples)))
        self._observer.sample(call, request, response)
        return response

    def multi_inference(self, request: MultiInferenceRequest, call: Call) -> MultiInferenceResponse:
        """Runs several classification and regression signatures of a model on the same Examples."""
        spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
        call.model, call.batch_size = spec.name, batch_size(request)
        with self.core.lease(spec) as servable:
            call.version = servable.version
            chosen = inference.choose_together(request, servable)
            call.signature = ",".join(chosen)
            examples = inference.serialized_examples(request.input)
            with call.running():
                answers = servable.run({inference.INPUTS: examples}, chosen)
        return inference.fill_together(request, call.version, answers, len(examples))

    def get_model_metadata(
        self, request: GetModelMetadataRequest, call: Call
    ) -> GetModelMetadataResponse:
        """Tells the signatures of a model."""
        spec = _spec(request, call)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != methods.METADATA_FIELD:
                raise invalid(f"Metadata field {name} is not supported")
        response = GetModelMetadataResponse()
        with self.core.lease(spec) as servable:
            call.version = servable.version
            fill_spec(response.model_spec, spec.name, servable.version)
            response.metadata[methods.METADATA_FIELD].Pack(servable.signature_defs)
        return response

    def get_model_status(
        self, request: GetModelStatusRequest, call: Call
    ) -> GetModelStatusResponse:
        """Tells the state of each version seen, or of the one asked for."""
        spec = _spec(request, call)
        return GetModelStatusResponse(model_version_status=self.core.statuses(spec))

    def handle_reload_config_request(
        self, request: ReloadConfigRequest, call: Call
    ) -> ReloadConfigResponse:
        """Serves another list of models; returns when it is served.

        Which files a server writes is for its own configuration to say.
        """
        if not self._options.enable_reload_config:
            what = "HandleReloadConfigRequest is switched off (--enable_reload_config=false)"
            raise Fault(grpc.StatusCode.PERMISSION_DENIED, what)
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest."
                " Only ModelConfigList is currently supported"
            )
        for model in request.config.model_config_list.config:
            if model.HasField("logging_config") and model.logging_config != self.core.logging(
                model.name
            ):
                what = f"model {model.name}: logging_config is taken from --model_config_file alone"
                raise invalid(what)
        self.core.reload(request.config)
        response = ReloadConfigResponse()
        response.status.SetInParent()  # OK
        return response


def _spec(
    request: AnyInference | GetModelMetadataRequest | GetModelStatusRequest, call: Call
) -> ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    call.model = request.model_spec.name
    return request.model_spec


def _noted(request: AnyInference, call: Call) -> tuple[ModelSpec, str]:
    """The request's model and signature, noted in the call."""
    spec = _spec(request, call)
    call.signature = signature_name(spec)
    call.batch_size = batch_size(request)
    return spec, call.signature
