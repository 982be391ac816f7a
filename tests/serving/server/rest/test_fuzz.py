"""The benchmark's requests to a model of all types; over gRPC, tests/serving/test_fuzz.py asks."""

import json

from hypothesis import given, settings

from benchmarks.fuzz_requests import Requests
from serving.results import Signature

# By signature, the names of its inputs.
SIGNATURES = dict.fromkeys(("float32", "int64", "string", "bool"), ("x",))
SIGNATURES |= {"optional": ("a", "b"), "classify": (), "regress": (), "nope": ("x",)}
ANSWERS = {"predictions", "outputs", "results", "model_version_status", "model_spec", "metadata"}
requests = Requests(
    "values",
    [b"no picture"],
    {name: Signature(dict.fromkeys(inputs), {}, ()) for name, inputs in SIGNATURES.items()},
)


@settings(max_examples=120, deadline=None)
@given(request=requests.rest())
def test_each_is_answered_properly(http, request: tuple[str, str, bytes]) -> None:
    method, path, body = request
    as_it_is = {"target": path.encode()}
    answer = http.send(http.build_request(method, "/", content=body, extensions=as_it_is))
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if method != "HEAD":
        told = json.loads(answer.content)
        assert set(told) <= ANSWERS if answer.status_code == 200 else set(told) == {"error"}
        assert "internal" not in told.get("error", "")
