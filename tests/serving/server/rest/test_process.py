"""REST, metrics and logs of the server as a process, asked over both APIs."""

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

MODEL_NAME = "cats_vs_dogs"
MODEL = f"/v1/models/{MODEL_NAME}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rest")


@pytest.fixture(scope="module")
def process(saved_model: Path, start_server, folder: Path) -> Iterator:
    """A server of `saved_model` as version 3, with all that is seen of requests switched on."""
    base = folder / "base"
    base.mkdir()
    (base / "3").symlink_to(saved_model)
    (folder / "monitoring.txt").write_text("prometheus_config { enable: true }\n")
    running = start_server(
        base,
        "--rest_api_port=-1",
        f"--monitoring_config_file={folder / 'monitoring.txt'}",
        f"--access_log={folder / 'access.jsonl'}",
        f"--request_log={folder / 'requests'}",
    )
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def http(process) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.rest, timeout=60) as client:
        yield client


def _written(path: Path, request_id: str) -> dict:
    """The line of a request; lines are written behind the answer."""
    for _ in range(500):
        if path.exists():
            for line in path.read_text().splitlines():
                if json.loads(line)["request_id"] == request_id:
                    return json.loads(line)
        time.sleep(0.01)
    raise AssertionError(f"nothing of {request_id} in {path}")


def test_one_model_over_both_apis(process, http, folder, *, predicting, gray, stub_of):
    picture = gray(204)
    request = predicting(MODEL_NAME, image_bytes=[picture])
    with grpc.insecure_channel(process.target) as channel:
        answer, call = stub_of(channel).Predict.with_call(
            request, timeout=60, metadata=[("x-request-id", "by-grpc")]
        )
    assert ("x-request-id", "by-grpc") in call.trailing_metadata()
    body = {"inputs": [{"b64": base64.b64encode(picture).decode()}]}
    told = http.post(f"{MODEL}:predict", json=body, headers={"x-request-id": "by-rest"})
    assert told.headers["x-request-id"] == "by-rest"
    outputs = told.json()["outputs"]
    body["inputs"].append({"b64": "AAAA"})
    refused = http.post(f"{MODEL}:predict", json=body)
    assert (refused.status_code, "position 1" in refused.json()["error"]) == (400, True)
    exact = list(answer.outputs["probability"].float_val)
    assert [np.float32(value) for value in outputs["probability"]] == exact

    access, requests = folder / "access.jsonl", folder / "requests.jsonl"
    kept = [_written(requests, name) for name in ("by-grpc", "by-rest")]
    assert kept[0]["inputs"] == kept[1]["inputs"]
    assert kept[0]["outputs"]["label"] == kept[1]["outputs"]["label"]
    assert kept[0]["outputs"]["label"]["values"] == ["dog"]
    lines = [_written(access, name) for name in ("by-grpc", "by-rest")]
    assert [line["api"] for line in lines] == ["grpc", "rest"]
    for line in lines:
        assert (line["model"], line["version"], line["batch_size"]) == (MODEL_NAME, 3, 1)
        assert (line["signature"], line["status"]) == ("serving_default", "OK")


def test_metrics(http: httpx.Client) -> None:
    def counts() -> dict[tuple[str, str], float]:
        page = http.get("/monitoring/prometheus/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        found = re.findall(r'request_count\{model_name="(\w*)",status="(\w+)"\} (\S+)', page.text)
        return {(model, status): float(count) for model, status, count in found}

    before = counts()
    assert http.post(f"{MODEL}:predict", json={"inputs": 1}).status_code == 400
    assert http.post("/v1/models/x:predict", json={"inputs": 1}).status_code == 404
    assert http.get(MODEL).status_code == 200
    after = counts()
    refused = (MODEL_NAME, "INVALID_ARGUMENT")
    assert after.pop(refused) == before.pop(refused, 0) + 1
    assert after.pop(("", "NOT_FOUND")) == 1  # a name that a caller made up
    assert after == before
    page = http.get("/monitoring/prometheus/metrics").text
    assert re.search(r":tensorflow:cc:saved_model:load_latency\{model_path=\".*/3\"\} \d+", page)
