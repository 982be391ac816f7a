"""The paths of TensorFlow Serving's REST API."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.server.faults import invalid

# As in tensorflow_serving/model_servers/http_rest_api_util.cc: any case, in full.
_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_FLAGS = re.IGNORECASE | re.ASCII
_POST = re.compile(rf"{_MODEL}{_WHICH}:(?P<method>classify|regress|predict)", _FLAGS)
_GET = re.compile(rf"{_MODEL}{_WHICH}(?:/(?P<method>metadata))?", _FLAGS)
_PREFIX = re.compile(r"/v1/.*", _FLAGS | re.DOTALL)
_ALL_MODELS = re.compile(r"/v1/models(?:/metadata)?", _FLAGS)

_MAX_VERSION = 2**63 - 1
_MAX_PATH = 200  # in a message


@dataclass(frozen=True)
class Target:
    """What a path asks for."""

    method: str  # predict, classify, regress, metadata or status
    spec: ModelSpec  # the model, with its version or label


def is_api(path: str) -> bool:
    """Whether a path belongs to the API at all; others do not exist."""
    return bool(_PREFIX.fullmatch(path))


def malformed(http_method: str, path: str) -> str:
    """TensorFlow Serving's words for a path or a method it does not know."""
    return f"Malformed request: {http_method} {path[:_MAX_PATH]}"


def parse_path(http_method: str, path: str) -> Target:
    """Reads a path, percent-encoded as it came; a Fault if it is none of the API's."""
    pattern = {"POST": _POST, "GET": _GET}.get(http_method)
    found = pattern.fullmatch(path) if pattern else None
    if not found:
        if http_method == "GET" and _ALL_MODELS.fullmatch(path):
            raise invalid("Missing model name in request.")
        raise invalid(malformed(http_method, path))
    spec = ModelSpec(name=unquote(found["name"]))
    if found["version"]:
        # Longer numbers than Python likes to read are too large anyway.
        version = int(found["version"][:30])
        if version > _MAX_VERSION:
            raise invalid(f"Failed to convert version: {found['version'][:_MAX_PATH]} to numeric.")
        spec.version.value = version
    if found["label"]:
        spec.version_label = unquote(found["label"])
    return Target((found["method"] or "status").lower(), spec)
