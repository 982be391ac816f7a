"""Bodies at random for all types; see tests/serving/test_fuzz.py for paths and broken bytes."""

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
