"""Metrics as a dashboard of TensorFlow Serving scrapes them."""

import math
import time
from collections.abc import Iterator

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.server import metrics
from serving.server.faults import Fault
from serving.server.metrics import Metrics
from serving.server.observer import Observer


def _samples(seen: Metrics) -> dict[tuple, float]:
    """Value by name and labels."""
    found = {}
    for family in text_string_to_metric_families(seen.page()):
        for sample in family.samples:
            found[sample.name, *sorted(sample.labels.items())] = sample.value
    return found


def _lines(seen: Metrics) -> list[str]:
    return seen.page().splitlines()


@pytest.fixture
def observer() -> Iterator[Observer]:
    made = Observer()
    yield made
    made.close()


def _call(observer: Observer, api: str = "grpc", method: str = "Predict", **values: object) -> None:
    with observer.call(api, method) as call:
        call.model = "pets"
        for name, value in values.items():
            setattr(call, name, value)


def test_request_counts_by_status(observer: Observer) -> None:
    _call(observer)
    _call(observer, "rest", "predict")
    with pytest.raises(Fault), observer.call("grpc", "Predict") as call:
        call.model = "pets"
        raise Fault(grpc.StatusCode.INVALID_ARGUMENT, "bad")
    with pytest.raises(Fault), observer.call("grpc", "Classify") as call:
        call.model = "pets"
        raise KeyError
    lines = _lines(observer.metrics)
    assert "# TYPE :tensorflow:serving:request_count counter" in lines
    for status, count in (("OK", 2), ("INVALID_ARGUMENT", 1), ("INTERNAL", 1)):
        line = f':tensorflow:serving:request_count{{model_name="pets",status="{status}"}} {count}'
        assert line in lines


def test_request_latency_of_what_was_answered(observer: Observer) -> None:
    with observer.call("grpc", "Predict") as call:
        call.model = "pets"
        time.sleep(0.02)
    _call(observer, "rest", "predict")
    with pytest.raises(Fault), observer.call("rest", "predict") as call:
        call.model = "pets"
        raise Fault(grpc.StatusCode.NOT_FOUND, "no")
    name = ":tensorflow:serving:request_latency"
    assert f"# TYPE {name} histogram" in _lines(observer.metrics)
    samples = _samples(observer.metrics)
    grpc_labels = (("API", "Predict"), ("entrypoint", "GRPC"), ("model_name", "pets"))
    rest_labels = (("API", "predict"), ("entrypoint", "REST"), ("model_name", "pets"))
    assert samples[f"{name}_count", *grpc_labels] == 1
    assert samples[f"{name}_count", *rest_labels] == 1
    assert 20_000 <= samples[f"{name}_sum", *grpc_labels] < 10**7  # microseconds


def test_latency_is_in_tensorflow_servings_buckets(observer: Observer) -> None:
    _call(observer, run_seconds=5e-4)
    prefix = ':tensorflow:serving:runtime_latency_bucket{model_name="pets",API="Predict",'
    lines = [line for line in _lines(observer.metrics) if line.startswith(prefix)]
    limits = [line.split('le="')[1].split('"')[0] for line in lines]
    assert limits[:5] == ["10", "18", "32.4", "58.32", "104.976"]
    assert limits[-1] == "+Inf"
    assert len(limits) == 34
    for number, limit in enumerate(limits[:-1]):
        assert math.isclose(float(limit), 10 * 1.8**number, rel_tol=1e-5)
    counts = [int(line.rsplit(" ", 1)[1]) for line in lines]
    assert counts == [int(float(limit) >= 500) for limit in limits]
    assert ":tensorflow:core:graph_runs{} 1" in _lines(observer.metrics)
    assert ":tensorflow:core:graph_run_time_usecs{} 500" in _lines(observer.metrics)


def test_looks_are_not_counted(observer: Observer) -> None:
    for api, method in (("grpc", "GetModelStatus"), ("rest", "status"), ("rest", "metadata")):
        _call(observer, api, method)
    assert "pets" not in observer.metrics.page()


def test_examples(observer: Observer) -> None:
    _call(observer, method="Classify", batch_size=3)
    _call(observer, "rest", "regress", batch_size=4)
    _call(observer, method="Predict", batch_size=99)
    lines = _lines(observer.metrics)
    assert "# TYPE :tensorflow:serving:request_example_count_total counter" in lines
    assert ':tensorflow:serving:request_example_count_total{model="pets"} 7' in lines
    assert ':tensorflow:serving:request_example_counts_bucket{model="pets",le="2"} 0' in lines
    assert ':tensorflow:serving:request_example_counts_bucket{model="pets",le="4"} 2' in lines


def test_loading_warming_up_and_queuing() -> None:
    seen = Metrics()
    seen.loaded("/models/pets/1", 0.5, ok=True)
    seen.loaded("/models/pets/1", 0.25, ok=True)
    seen.loaded("/models/pets/2", 0.1, ok=False)
    seen.warmed_up("/models/pets/1", 0.002)
    seen.queued("batching", 0.001)
    lines = _lines(seen)
    load = ":tensorflow:cc:saved_model:load_"
    assert f'{load}attempt_count{{model_path="/models/pets/1",status="success"}} 2' in lines
    assert f'{load}attempt_count{{model_path="/models/pets/2",status="fail"}} 1' in lines
    assert f'{load}latency{{model_path="/models/pets/1"}} 750000' in lines
    samples = _samples(seen)
    warm_up = ":tensorflow:serving:model_warmup_latency_sum"
    assert samples[warm_up, ("model_path", "/models/pets/1"), ("status", "OK")] == 2000
    queuing = ":tensorflow:serving:batching_session:queuing_latency_count"
    assert samples[queuing, ("thread_pool_name", "batching")] == 1


def test_odd_names_are_escaped(observer: Observer) -> None:
    _call(observer, model='a"b\\c\nd')
    assert any(
        "request_count" in key[0] and ("model_name", 'a"b\\c\nd') in key
        for key in _samples(observer.metrics)
    )


def test_ever_new_names_do_not_fill_the_memory(
    observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_MAX_MODEL_NAMES", 10)
    for number in range(15):
        _call(observer, model=f"m{number}")
    counts = [line for line in _lines(observer.metrics) if "request_count{" in line]
    assert len(counts) == 11
    assert ':tensorflow:serving:request_count{model_name="",status="OK"} 5' in counts
