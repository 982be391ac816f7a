"""GetModelMetadata, GetModelStatus and HandleReloadConfigRequest."""

from typing import Any

import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

from serving.server.config_files import single_model


def _metadata(model: str, *fields: str) -> GetModelMetadataRequest:
    return GetModelMetadataRequest(model_spec={"name": model}, metadata_field=fields)


def _status(model: str, version: int | None = None) -> GetModelStatusRequest:
    number = None if version is None else {"value": version}
    return GetModelStatusRequest(model_spec={"name": model, "version": number})


def test_metadata(stub: Any, saved_model) -> None:
    response = stub.GetModelMetadata(_metadata("pictures", "signature_def"), timeout=60)
    assert (response.model_spec.name, response.model_spec.version.value) == ("pictures", 2)
    told = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(told)
    assert told.signature_def["grad_cam"].defaults["class_index"].int_val[0] == -1
    stored = SavedModel.FromString((saved_model / "saved_model.pb").read_bytes())
    assert dict(told.signature_def) == dict(stored.meta_graphs[0].signature_def)


INVALID, NOT_FOUND = "INVALID_ARGUMENT", "NOT_FOUND"
FIELD = "signature_def"
NO_FIELD = "GetModelMetadataRequest must specify at least one metadata_field"
NO_LIST = (
    "ServerModelConfig type not supported by HandleReloadConfigRequest."
    " Only ModelConfigList is currently supported"
)
WRONG = [
    (_metadata("pictures"), INVALID, NO_FIELD),
    (_metadata("pictures", "graph"), INVALID, "Metadata field graph is not supported"),
    (_metadata("other", FIELD), NOT_FOUND, "Servable not found for request: Latest(other)"),
    (GetModelMetadataRequest(metadata_field=[FIELD]), INVALID, "Missing ModelSpec"),
    (GetModelStatusRequest(), INVALID, "Missing ModelSpec"),
    (_status("pictures", 8), NOT_FOUND, "Could not find version 8 of model pictures"),
    (_status("other"), NOT_FOUND, "Could not find any versions of model other"),
]


@pytest.mark.parametrize(("request_", "code", "message"), WRONG)
def test_wrong_requests(stub, refusal, *, request_, code: str, message: str) -> None:
    call = getattr(stub, request_.DESCRIPTOR.name.removesuffix("Request"))
    assert refusal(call, request_) == (code, message)


def test_status(stub: Any) -> None:
    (status,) = stub.GetModelStatus(_status("pictures"), timeout=60).model_version_status
    assert (status.version, status.state) == (2, ModelVersionStatus.AVAILABLE)
    assert (status.status.error_code, status.status.error_message) == (0, "")


def test_reload(start_here, bases, predicting, refusal) -> None:
    with start_here({"types": bases["types"]}).stub() as stub:
        before, after = (predicting(name, "int32", x=[1]) for name in ("types", "new"))
        assert stub.Predict(before, timeout=60).outputs
        request = ReloadConfigRequest(config=single_model("new", str(bases["types"])))
        response = stub.HandleReloadConfigRequest(request, timeout=60)
        assert (response.status.error_code, response.status.error_message) == (0, "")
        assert stub.Predict(after, timeout=60).outputs
        assert refusal(stub.Predict, before)[0] == "NOT_FOUND"

        # A wrong one changes nothing.
        request.config.model_config_list.config[0].base_path = "/absent"
        for wrong, words in ((request, "/absent"), (ReloadConfigRequest(), NO_LIST)):
            code, message = refusal(stub.HandleReloadConfigRequest, wrong)
            assert (code, words in message) == (INVALID, True)
        assert stub.Predict(after, timeout=60).outputs
