"""What the paths of the API tell, and paths that are none."""

import httpx
import pytest

from serving.server.faults import Fault
from serving.server.rest.app import parse_path

MODEL = "values"


def test_status(http: httpx.Client) -> None:
    ok = {"error_code": "OK", "error_message": ""}
    status = {"version": "7", "state": "AVAILABLE", "status": ok}
    for which in ("", "/versions/7", "/labels/stable"):
        answer = http.get(f"/v1/models/{MODEL}{which}")
        assert answer.status_code == 200
        assert answer.json() == {"model_version_status": [status]}
    assert http.get("/v1/models/absent").status_code == 404


def test_metadata(http: httpx.Client) -> None:
    for which in ("", "/versions/7", "/labels/stable"):
        answer = http.get(f"/v1/models/{MODEL}{which}/metadata")
        assert answer.status_code == 200
        told = answer.json()
        assert told["model_spec"] == {"name": MODEL, "signature_name": "", "version": "7"}
        signatures = told["metadata"]["signature_def"]["signature_def"]
        assert signatures["regress"]["method_name"] == "tensorflow/serving/regress"
        picture = signatures["serving_default"]["inputs"]["image_bytes"]
        assert picture["dtype"] == "DT_STRING"
        shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
        assert picture["tensor_shape"] == shape
        assert signatures["float32"]["inputs"]["x"]["tensor_shape"]["unknown_rank"] is True
        assert signatures["optional"]["defaults"]["b"]["dtype"] == "DT_INT32"
    assert http.get("/v1/models/absent/metadata").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/debug/name"),
        ("GET", f"/v1/models/{MODEL}:predict"),
        ("POST", f"/v1/models/{MODEL}/versions/x:regress"),
        ("POST", f"/v1/models/{MODEL}/metadata"),
        ("POST", f"/v1/models/{MODEL}/versions/7/labels/stable:predict"),
        ("POST", f"/v1/models/{MODEL}:explain"),
        ("PUT", f"/v1/models/{MODEL}:predict"),
        ("OPTIONS", f"/v1/models/{MODEL}"),
    ],
)
def test_malformed_requests(http: httpx.Client, method: str, path: str) -> None:
    answer = http.request(method, path)
    assert answer.status_code == 400
    assert answer.json() == {"error": f"Malformed request: {method} {path}"}


def test_what_does_not_exist(http: httpx.Client) -> None:
    for path in ("/", "/index.html", "/v2/models/values", "/monitoring/prometheus/metrics"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert answer.json() == {"error": f"Malformed request: GET {path}"}
    head = http.head(f"/v1/models/{MODEL}")
    assert (head.status_code, head.content) == (400, b"")
    assert http.get("/v1/models").json() == {"error": "Missing model name in request."}
    assert http.get("/V1/Models/values/METADATA").status_code == 200
    assert http.get(f"/v1/models/{MODEL}?x=1").status_code == 200


def test_numbers_and_encoded_names() -> None:
    method, spec = parse_path("POST", "/v1/models/a%2Fb%20c/labels/%C3%A9:predict")
    assert (method, spec.name, spec.version_label) == ("predict", "a/b c", "é")
    _, spec = parse_path("GET", f"/v1/models/m/versions/{2**63 - 1}")
    assert spec.version.value == 2**63 - 1
    for number in (str(2**63), "9" * 5000):
        with pytest.raises(Fault, match=f"Failed to convert version: {number[:100]}.* to numeric"):
            parse_path("POST", f"/v1/models/m/versions/{number}:predict")
