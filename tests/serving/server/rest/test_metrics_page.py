"""The page that Prometheus reads."""

from pathlib import Path

import numpy as np
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.batching_parameters import BatchingParameters
from serving.server.loading import make_load
from serving.server.metrics import Metrics
from serving.server.options import ServerOptions
from serving.wire.tensors import to_proto

PREDICT = "/v1/models/values:predict"


def test_the_page(start) -> None:
    http, _ = start(metrics_path="/metrics")
    assert http.post(PREDICT, json={"signature_name": "int32", "inputs": 1}).status_code == 200
    assert http.get("/monitoring/prometheus/metrics").status_code == 404  # it is elsewhere
    lines = http.get("/metrics?x=1").text.splitlines()
    assert ':tensorflow:serving:request_count{model_name="values",status="OK"} 1' in lines
    labels = 'model_name="values",API="predict",entrypoint="REST"'
    assert f":tensorflow:serving:request_latency_count{{{labels}}} 1" in lines
    labels = 'model_name="values",API="Predict",runtime="TF1"'
    assert f":tensorflow:serving:runtime_latency_count{{{labels}}} 1" in lines


def test_loading_and_queuing_are_told(values_base: Path) -> None:
    metrics = Metrics()
    options = ServerOptions(
        ModelServerConfig(), batching=BatchingParameters(), enable_model_warmup=False
    )
    servable = make_load(options, metrics)("values", values_base / "7", 7)
    servable.predict("float32", {"x": to_proto(np.ones(2, np.float32))}, [])
    servable.close()
    lines = metrics.page().splitlines()
    path = values_base / "7"
    assert (
        f':tensorflow:cc:saved_model:load_attempt_count{{model_path="{path}",status="success"}} 1'
        in lines
    )
    assert any("queuing_latency_count{" in line and line.endswith(" 1") for line in lines)
