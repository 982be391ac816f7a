"""Metrics as a dashboard of TensorFlow Serving scrapes them."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.server.config_files import single_model
from serving.server.faults import Fault
from serving.server.metrics import Metrics
from serving.server.observer import Observer


def _samples(seen: Metrics) -> dict[tuple, float]:
    """Value by name, as the page has it, and labels."""
    found, page = {}, seen.page()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            # By this parser, every counter ends so.
            name = sample.name if f"\n{sample.name}" in page else sample.name.removesuffix("_total")
            found[name, *sorted(sample.labels.items())] = sample.value
    return found


@pytest.fixture
def observer() -> Iterator[Observer]:
    made = Observer()
    made.configure(single_model("pets", "/models"))
    yield made
    made.close()


def _call(observer: Observer, api: str = "grpc", method: str = "Predict", **values: object) -> None:
    """A request that is answered, or fails with a Fault of `code`."""
    code = values.pop("code", None)
    with suppress(Fault), observer.call(api, method) as call:
        call.model = "pets"
        for name, value in values.items():
            setattr(call, name, value)
        if code:
            raise Fault(code, "no")


def test_requests_and_the_latency_of_what_was_answered(observer: Observer) -> None:
    with observer.call("grpc", "Predict") as call:
        call.model = "pets"
        time.sleep(0.02)
    _call(observer, "rest", "predict")
    _call(observer, code=grpc.StatusCode.INVALID_ARGUMENT)
    _call(observer, "rest", "classify", code=grpc.StatusCode.NOT_FOUND)
    for method in ("GetModelStatus", "GetModelMetadata"):  # looks are not counted
        _call(observer, method=method)
    samples = _samples(observer.metrics)
    name = ":tensorflow:serving:request_count"
    statuses = {key[-1][1]: value for key, value in samples.items() if key[0] == name}
    assert statuses == {"OK": 2, "INVALID_ARGUMENT": 1, "NOT_FOUND": 1}
    assert f"# TYPE {name} counter" in observer.metrics.page()
    name = ":tensorflow:serving:request_latency"
    counts = {key[1:3]: value for key, value in samples.items() if key[0] == f"{name}_count"}
    by_grpc = (("API", "Predict"), ("entrypoint", "GRPC"))
    assert counts == {by_grpc: 1, (("API", "predict"), ("entrypoint", "REST")): 1}
    total = samples[f"{name}_sum", *by_grpc, ("model_name", "pets")]
    assert 20_000 <= total < 10**7  # microseconds


def test_latency_is_in_tensorflow_servings_buckets(observer: Observer) -> None:
    _call(observer, run_seconds=5e-4)
    page = observer.metrics.page()
    buckets = re.findall(r':runtime_latency_bucket\{.*le="([^"]*)".*\} (\S+)', page)
    assert [limit for limit, _ in buckets[:5]] == ["10", "18", "32.4", "58.32", "104.976"]
    assert buckets[-1][0] == "+Inf"
    assert len(buckets) == 34
    for number, (limit, count) in enumerate(buckets):
        assert limit == "+Inf" or float(limit) == pytest.approx(10 * 1.8**number, rel=1e-5)
        assert float(count) == (float(limit) >= 500)
    samples = _samples(observer.metrics)
    assert samples[":tensorflow:core:graph_runs",] == 1
    assert samples[":tensorflow:core:graph_run_time_usecs",] == 500


def test_examples(observer: Observer) -> None:
    _call(observer, method="Classify", batch_size=3)
    _call(observer, "rest", "regress", batch_size=4)
    _call(observer, method="Predict", batch_size=99)
    samples, name = _samples(observer.metrics), ":tensorflow:serving:request_example_count"
    assert samples[f"{name}_total", ("model", "pets")] == 7
    limits = [samples[f"{name}s_bucket", ("le", limit), ("model", "pets")] for limit in "24"]
    assert limits == [0, 2]


def test_loading_warming_up_and_queuing() -> None:
    seen = Metrics()
    seen.loaded("/models/pets/1", 0.5, ok=True)
    seen.loaded("/models/pets/1", 0.25, ok=True)
    seen.loaded("/models/pets/2", 0.1, ok=False)
    seen.warmed_up("/models/pets/1", 0.002)
    seen.queued("batching", 0.001)
    samples, load = _samples(seen), ":tensorflow:cc:saved_model:load_"
    one, two = (("model_path", f"/models/pets/{version}") for version in (1, 2))
    assert samples[f"{load}attempt_count", one, ("status", "success")] == 2
    assert samples[f"{load}attempt_count", two, ("status", "fail")] == 1
    assert samples[f"{load}latency", one] == 750_000
    warm_up = ":tensorflow:serving:model_warmup_latency_sum"
    assert samples[warm_up, one, ("status", "OK")] == 2000
    queuing = ":tensorflow:serving:batching_session:queuing_latency_count"
    assert samples[queuing, ("thread_pool_name", "batching")] == 1


def test_odd_names_are_escaped(observer: Observer) -> None:
    odd = 'a"b\\c\nd,le="5.0",x_total '
    observer.configure(single_model(odd, "/models"))
    _call(observer, model=odd)
    key = (":tensorflow:serving:request_count", ("model_name", odd), ("status", "OK"))
    assert key in _samples(observer.metrics)


def test_names_that_callers_make_up_share_a_label(observer: Observer) -> None:
    for number in range(1500):
        _call(observer, model=f"m{number}" * number)
    _call(observer)
    observer.configure(single_model("cars", "/models"))
    for name in ("cars", "pets"):  # one that was served once keeps its label
        _call(observer, model=name)
    samples, name = _samples(observer.metrics), ":tensorflow:serving:request_count"
    counts = {key[1][1]: value for key, value in samples.items() if key[0] == name}
    assert counts == {"": 1500, "pets": 2, "cars": 1}
