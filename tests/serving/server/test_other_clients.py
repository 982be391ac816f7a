"""Clients that others wrote, each in a process of its own: their descriptors clash with ours."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PYTHON = Path(sys.prefix, "clients/bin/python")

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason=f"no {PYTHON}; `make setup` makes it")

OVMS = """
import json, sys
import numpy as np
from ovmsclient import make_grpc_client
from ovmsclient.tfs_compat.base import errors
target, picture = sys.argv[1], open(sys.argv[2], "rb").read()
client = make_grpc_client(target)
def failure(call, *arguments):
    try:
        call(*arguments)
    except errors.ModelServerError as error:
        return [type(error).__name__, str(error)]
answer = client.predict({"image_bytes": [picture]}, "pictures", 2)
metadata = client.get_model_metadata("pictures", 2)
print(json.dumps({
    "label": [label.decode() for label in answer["label"]],
    "probabilities": answer["probabilities"].tolist(),
    "inputs": metadata["inputs"],
    "outputs": sorted(metadata["outputs"]),
    "version": metadata["model_version"],
    "status": client.get_model_status("pictures", 2),
    "other_model": failure(client.predict, {"x": 1.0}, "other", 2),
    "bad_picture": failure(client.predict, {"image_bytes": [picture, b"none"]}, "pictures", 2),
    "other_version": failure(client.get_model_status, "pictures", 9),
}))
"""

MIN_TFS = """
import json, sys
import numpy as np
from min_tfs_client.requests import TensorServingClient
from min_tfs_client.tensors import tensor_proto_to_ndarray
host, port = sys.argv[1].split(":")
client = TensorServingClient(host, int(port))
good = {"image_bytes": np.array(["yes", ""])}
response = client.predict_request("types", good, model_version=2)
outputs = {name: tensor_proto_to_ndarray(proto) for name, proto in response.outputs.items()}
print(json.dumps({
    "length": outputs["length"].tolist(),
    "text": [str(text) for text in outputs["text"]],
    "version": response.model_spec.version.value,
}))
"""


@pytest.fixture
def run_client(zoo: Any, gray: Callable[[int], bytes], tmp_path: Path) -> Callable[[str], Any]:
    """What a program prints that is given the server and a picture."""

    def run(program: str) -> Any:
        (tmp_path / "gray.png").write_bytes(gray(204))
        command = [str(PYTHON), "-c", program, zoo.target, str(tmp_path / "gray.png")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_ovmsclient(run_client) -> None:
    told = run_client(OVMS)
    assert told["label"] == ["dog"]
    assert told["probabilities"][0] == pytest.approx([0.2, 0.8])
    assert told["inputs"] == {"image_bytes": {"shape": [-1], "dtype": "DT_STRING"}}
    assert {"label", "probability", "probabilities"} <= set(told["outputs"])
    assert int(told["version"]) == 2
    assert told["status"] == {"2": {"state": "AVAILABLE", "error_code": 0, "error_message": ""}}
    kind, message = told["other_model"]
    assert kind == "ModelNotFoundError"
    assert "Servable not found for request: Specific(other, 2)" in message
    kind, message = told["bad_picture"]
    assert kind == "InvalidInputError"
    assert "position 1" in message
    assert told["other_version"][0] == "ModelNotFoundError"


def test_min_tfs_client(run_client) -> None:
    told = run_client(MIN_TFS)
    assert told["length"] == [3, 0]
    assert told["text"] == ["yes", ""]
    assert told["version"] == 2
