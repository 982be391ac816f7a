"""Requests over REST that no client should send, made by hypothesis."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

from benchmarks.fuzz_messages import mutations, odd_images


class HttpRequests:
    """Requests to one served model.

    Args:
        model: its name.
        images: encoded ones that it takes.
        signatures: names of its signatures.
    """

    def __init__(self, model: str, images: list[bytes], signatures: list[str]):
        self._images = odd_images(images)
        self._signatures = st.sampled_from([*signatures * 4, "", "nope", "\n"])
        self._first = images[0]
        self._model = model

    def any(self) -> st.SearchStrategy[tuple[str, str, bytes]]:
        """An HTTP method, a path (sendable as it is) and a body."""
        good = json.dumps({"instances": [{"b64": base64.b64encode(self._first).decode()}]}).encode()
        names = st.sampled_from([self._model] * 6 + ["other", "%00", "..", "x" * 3000, "%zz", ""])
        versions = st.sampled_from(
            [""] * 5 + ["/versions/1", "/versions/0", "/versions/x", "/labels/stable", "/versions/"]
        )
        verbs = st.sampled_from(
            [":predict"] * 5 + [":classify", ":regress", ":nope", "/metadata", "", ":", "/x"]
        )
        paths = st.tuples(names, versions, verbs).map(lambda parts: "/v1/models/" + "".join(parts))
        others = st.sampled_from(["/", "/v1", "/v2/models/x", "/monitoring/prometheus/metrics?a=%"])
        bodies = st.one_of(
            self._bodies().map(lambda body: json.dumps(body).encode()),
            st.just(good),
            mutations(good),
            st.binary(max_size=64),
            st.sampled_from([b"", b"[" * 100_000, b'{"instances": NaN}', b"1e999", b"\xff"]),
        )
        methods = st.sampled_from(["POST"] * 6 + ["GET", "GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
        return st.tuples(methods, st.one_of(paths, paths, paths, others), bodies)

    def _bodies(self) -> st.SearchStrategy[Any]:
        encoded = self._images.map(lambda data: {"b64": base64.b64encode(data).decode()})
        leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
        leaves = st.one_of(leaves, encoded, encoded)
        fields = st.sampled_from(["image_bytes", "class_index", "b64", "examples", "x"])
        values = st.recursive(
            leaves,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=3),
            max_leaves=6,
        )
        keys = st.sampled_from(["instances", "inputs", "examples", "context", "other"])
        return st.one_of(
            values,
            st.fixed_dictionaries(
                {"instances": st.lists(encoded, max_size=3)}, optional={"x": values}
            ),
            st.builds(
                lambda data, more, name: {**data, **more, **name},
                st.dictionaries(keys, values, max_size=2),
                st.fixed_dictionaries({}, optional={"instances": values}),
                st.fixed_dictionaries({}, optional={"signature_name": self._signatures | values}),
            ),
        )
