"""REST, metrics and logs of the server as a process, asked over both APIs."""

import base64
import json
import re
import time
from pathlib import Path

import grpc
import httpx
import numpy as np

MODEL = "cats_vs_dogs"


def _written(path: Path, request_id: str) -> dict:
    """The line of a request; lines are written behind the answer."""
    for _ in range(500):
        if path.exists():
            for line in path.read_text().splitlines():
                if json.loads(line)["request_id"] == request_id:
                    return json.loads(line)
        time.sleep(0.01)
    raise AssertionError(f"nothing of {request_id} in {path}")


def test_one_model_over_both_apis(base, start_server, tmp_path, *, predicting, gray, stub_of):
    (tmp_path / "monitoring.txt").write_text("prometheus_config { enable: true }\n")
    process = start_server(
        base,
        "--rest_api_port=-1",
        f"--monitoring_config_file={tmp_path / 'monitoring.txt'}",
        f"--access_log={tmp_path / 'access.jsonl'}",
        f"--request_log={tmp_path / 'requests'}",
    )
    picture = gray(204)
    request = predicting(MODEL, image_bytes=[picture])
    with grpc.insecure_channel(process.target) as channel:
        answer, call = stub_of(channel).Predict.with_call(
            request, timeout=60, metadata=[("x-request-id", "by-grpc")]
        )
    assert ("x-request-id", "by-grpc") in call.trailing_metadata()
    with httpx.Client(base_url=process.rest, timeout=60) as http:
        url, body = f"/v1/models/{MODEL}", {"inputs": [{"b64": base64.b64encode(picture).decode()}]}
        told = http.post(f"{url}:predict", json=body, headers={"x-request-id": "by-rest"})
        body["inputs"].append({"b64": "AAAA"})
        refused = http.post(f"{url}:predict", json=body)
        assert http.get(url).status_code == 200
        page = http.get("/monitoring/prometheus/metrics")
    assert told.headers["x-request-id"] == "by-rest"
    outputs = told.json()["outputs"]
    assert (refused.status_code, "position 1" in refused.json()["error"]) == (400, True)
    exact = list(answer.outputs["probability"].float_val)
    assert [np.float32(value) for value in outputs["probability"]] == exact

    access, requests = tmp_path / "access.jsonl", tmp_path / "requests.jsonl"
    kept = [_written(requests, name) for name in ("by-grpc", "by-rest")]
    assert kept[0]["inputs"] == kept[1]["inputs"]
    assert kept[0]["outputs"]["label"] == kept[1]["outputs"]["label"]
    assert kept[0]["outputs"]["label"]["values"] == ["dog"]
    lines = [_written(access, name) for name in ("by-grpc", "by-rest")]
    assert [line["api"] for line in lines] == ["grpc", "rest"]
    for line in lines:
        assert (line["model"], line["version"], line["batch_size"]) == (MODEL, 3, 1)
        assert (line["signature"], line["status"]) == ("serving_default", "OK")

    assert page.headers["content-type"].startswith("text/plain")
    found = re.findall(r'request_count\{model_name="(\w*)",status="(\w+)"\} (\S+)', page.text)
    assert sorted(found) == [(MODEL, "INVALID_ARGUMENT", "1.0"), (MODEL, "OK", "2.0")]
    assert re.search(r":saved_model:load_latency\{model_path=\".*/3\"\} \d+", page.text)
    assert process.stop() == 0
