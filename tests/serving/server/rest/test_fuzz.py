"""Bodies and paths at random: every answer is a proper one, and the server stays up."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SIGNATURES = ["float32", "int64", "string", "bool", "optional", "classify", "regress", "nope"]
STATUSES = {200, 400, 404, 501}

leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
leaf |= st.builds(lambda text: {"b64": text}, st.text("ABC=+/ ", max_size=8))
value = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "a", "b", "image_bytes", "b64"]), inner, max_size=3)
    ),
    max_leaves=8,
)
body = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from(SIGNATURES) | value,
        "instances": st.lists(value, max_size=3) | value,
        "inputs": value,
        "examples": st.lists(st.dictionaries(st.sampled_from(["x", "n", "s"]), value), max_size=2),
        "context": value,
    },
)
few = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _check(answer) -> None:
    assert answer.status_code in STATUSES, answer.text
    told = json.loads(answer.content)
    if answer.status_code == 200:
        assert set(told) <= {"predictions", "outputs", "results"}
    else:
        assert set(told) == {"error"}
        assert "internal" not in told["error"]


@few
@given(values=body, method=st.sampled_from(["predict", "classify", "regress"]))
def test_json(post, values: dict, method: str) -> None:
    _check(post(json.dumps(values).encode(), method))


@few
@given(data=st.data())
def test_mutated_bytes(post, data: st.DataObject) -> None:
    good = {"signature_name": "float32", "instances": [{"x": [1.5, -2]}, {"x": [3, 1e3]}]}
    body = bytearray(json.dumps(good).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["change", "cut", "repeat"])):
            case "change":
                body[place] = data.draw(st.integers(0, 255))
            case "cut":
                del body[place : place + data.draw(st.integers(1, 5))]
            case "repeat":
                body[place:place] = body[place : place + 10]
        body = body or bytearray(b" ")
    _check(post(bytes(body)))


@few
@given(path=st.text("/:%ab1.?#;\\ é", max_size=20), name=st.sampled_from(["", "/v1/models/values"]))
def test_paths(http, path: str, name: str) -> None:
    for method in ("GET", "POST"):
        answer = http.request(method, f"{http.base_url}{name}/{path}", content=b"{}")
        assert answer.status_code in STATUSES
        assert isinstance(json.loads(answer.content), dict)
