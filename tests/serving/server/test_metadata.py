"""GetModelMetadata, GetModelStatus and HandleReloadConfigRequest."""

from typing import Any

import pytest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest


def _metadata(model: str, *fields: str) -> GetModelMetadataRequest:
    request = GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = model
    return request


def test_metadata(stub: Any, saved_model) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    response = stub.GetModelMetadata(_metadata("pictures", "signature_def"), timeout=60)
    assert (response.model_spec.name, response.model_spec.version.value) == ("pictures", 2)
    told = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(told)
    assert told.signature_def["grad_cam"].defaults["class_index"].int_val[0] == -1
    stored = SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    assert dict(told.signature_def) == dict(stored.meta_graphs[0].signature_def)


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (
            _metadata("pictures"),
            "INVALID_ARGUMENT",
            "GetModelMetadataRequest must specify at least one metadata_field",
        ),
        (
            _metadata("pictures", "signature_def", "graph"),
            "INVALID_ARGUMENT",
            "Metadata field graph is not supported",
        ),
        (
            _metadata("other", "signature_def"),
            "NOT_FOUND",
            "Servable not found for request: Latest(other)",
        ),
        (
            GetModelMetadataRequest(metadata_field=["signature_def"]),
            "INVALID_ARGUMENT",
            "Missing ModelSpec",
        ),
    ],
)
def test_wrong_metadata_requests(stub, refusal, request_, code: str, message: str) -> None:
    assert refusal(stub.GetModelMetadata, request_) == (code, message)


def test_status(model_stub: Any, refusal) -> None:
    request = GetModelStatusRequest()
    assert refusal(model_stub.GetModelStatus, request) == ("INVALID_ARGUMENT", "Missing ModelSpec")
    request.model_spec.name = "pictures"
    (status,) = model_stub.GetModelStatus(request, timeout=60).model_version_status
    assert (status.version, status.state) == (2, ModelVersionStatus.AVAILABLE)
    assert (status.status.error_code, status.status.error_message) == (0, "")
    request.model_spec.version.value = 8
    assert refusal(model_stub.GetModelStatus, request) == (
        "NOT_FOUND",
        "Could not find version 8 of model pictures",
    )
    request.model_spec.ClearField("version")
    request.model_spec.name = "other"
    assert refusal(model_stub.GetModelStatus, request) == (
        "NOT_FOUND",
        "Could not find any versions of model other",
    )


def test_reload(start_here, bases, predicting, refusal) -> None:
    from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

    server = start_here({"types": bases["types"]})
    with server.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        model_stub = model_service_pb2_grpc.ModelServiceStub(channel)
        before, after = (predicting(name, "int32", value=[1]) for name in ("types", "new"))
        assert stub.Predict(before, timeout=60).outputs
        request = ReloadConfigRequest()
        config = request.config.model_config_list.config.add(
            name="new", base_path=str(bases["types"]), model_platform="tensorflow"
        )
        response = model_stub.HandleReloadConfigRequest(request, timeout=60)
        assert (response.status.error_code, response.status.error_message) == (0, "")
        assert stub.Predict(after, timeout=60).outputs
        assert refusal(stub.Predict, before)[0] == "NOT_FOUND"

        # A wrong one changes nothing.
        config.base_path = "/absent"
        code, message = refusal(model_stub.HandleReloadConfigRequest, request)
        assert code == "INVALID_ARGUMENT"
        assert "/absent" in message
        assert refusal(model_stub.HandleReloadConfigRequest, ReloadConfigRequest()) == (
            "INVALID_ARGUMENT",
            "ServerModelConfig type not supported by HandleReloadConfigRequest."
            " Only ModelConfigList is currently supported",
        )
        assert stub.Predict(after, timeout=60).outputs
