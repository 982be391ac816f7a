"""TensorFlow Serving's metrics: the same names, labels, types and buckets, for the same dashboards.

Names and meaning follow tensorflow_serving/servables/tensorflow/util.cc and
tensorflow_serving/util/prometheus_exporter.cc: a metric `/tensorflow/serving/NAME` is told as
`:tensorflow:serving:NAME`, times are microseconds, and counters carry no `_total`.
"""

import re

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.server.call import Call

DEFAULT_PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain"

_EXAMPLES = ("Classify", "Regress", "MultiInference")
_INFERENCE = {name.lower(): name for name in ("Predict", *_EXAMPLES)}
_RUNTIME = "TF1"  # TensorFlow Serving's word for a Session

# prometheus_client ends the names of counters in _total, and has more digits in limits.
_TOTAL = re.compile(r"^((?:# \w+ )?:tensorflow:[\w:]+)_total\b", re.MULTILINE)
_LIMIT = re.compile(r'(?<=[{,]le=")\d[\d.e+]*')

_OTHER = ""  # all names that callers make up share a label


def _exponential(scale: float, growth: float, count: int) -> list[float]:
    """Bucket limits as TensorFlow's monitoring makes and prints them (6 digits)."""
    return [float(f"{scale * growth**power:.6g}") for power in range(count)]


_LATENCY_BUCKETS = _exponential(10, 1.8, 33)  # 10 us to about 25 minutes
_EXAMPLE_BUCKETS = _exponential(1, 2, 15)
_QUEUE_BUCKETS = _exponential(100, 1.2, 52)


class Metrics:
    """What one server has done so far."""

    def __init__(self) -> None:
        disable_created_metrics()  # TensorFlow Serving has none
        registry = self._registry = CollectorRegistry(auto_describe=False)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f":tensorflow:{name}", what, labels, registry=registry)

        def histogram(
            name: str, what: str, *labels: str, buckets: list[float] = _LATENCY_BUCKETS
        ) -> Histogram:
            full = f":tensorflow:serving:{name}"
            return Histogram(full, what, labels, registry=registry, buckets=buckets)

        model, wall = "model_name", "Microseconds"
        self._requests = counter("serving:request_count", "Requests.", model, "status")
        what = f"{wall} for a request that was answered."
        self._latency = histogram("request_latency", what, model, "API", "entrypoint")
        what = f"{wall} inside TensorFlow."
        self._runtime = histogram("runtime_latency", what, model, "API", "runtime")
        what, name = "tensorflow.Examples", "request_example_count"
        self._examples = histogram(
            f"{name}s", f"{what} a request.", "model", buckets=_EXAMPLE_BUCKETS
        )
        self._examples_total = counter(f"serving:{name}_total_total", f"{what}.", "model")
        what = f"{wall} for warming up a model."
        self._warm_up = histogram("model_warmup_latency", what, "model_path", "status")
        what, name = f"{wall} a request waits for its batch.", "batching_session:queuing_latency"
        self._queuing = histogram(name, what, "thread_pool_name", buckets=_QUEUE_BUCKETS)
        what, load = "Tries to load a SavedModel.", "cc:saved_model:load"
        self._loads = counter(f"{load}_attempt_count", what, "model_path", "status")
        self._load_time = counter(f"{load}_latency", f"{wall} spent on loading.", "model_path")
        self._runs = counter("core:graph_runs", "Runs of a graph.")
        self._run_time = counter("core:graph_run_time_usecs", f"{wall} spent on running graphs.")
        self._names: frozenset[str] = frozenset()

    def configure(self, config: ModelServerConfig) -> None:
        """Takes the names of the models: those, and earlier ones, are labels."""
        self._names |= {model.name for model in config.model_config_list.config}

    def count(self, call: Call) -> None:
        """Counts a request that is done, if it was one for inference.

        As in TensorFlow Serving, every one counts with its status, and only those that were
        answered have a latency. Looks at the status or the metadata count nowhere, so a probe
        does not look like traffic.
        """
        api = _INFERENCE.get(call.method.lower())
        if api is None:
            return
        model = call.model if call.model in self._names else _OTHER
        ok = call.status.name == "OK"
        self._requests.labels(model, call.status.name).inc()
        if not ok:
            return
        # Over REST, TensorFlow Serving has the method as it stands in the path.
        self._latency.labels(model, call.method, call.api.upper()).observe(call.seconds * 1e6)
        if call.run_seconds is not None:
            self._runtime.labels(model, api, _RUNTIME).observe(call.run_seconds * 1e6)
            self._runs.inc()
            self._run_time.inc(int(call.run_seconds * 1e6))
        if api in _EXAMPLES and call.batch_size is not None:
            self._examples.labels(model).observe(call.batch_size)
            self._examples_total.labels(model).inc(call.batch_size)

    def loaded(self, model_path: str, seconds: float, *, ok: bool) -> None:
        """Counts one try to load a version."""
        self._loads.labels(model_path, "success" if ok else "fail").inc()
        self._load_time.labels(model_path).inc(int(seconds * 1e6))

    def warmed_up(self, model_path: str, seconds: float, status: str = "OK") -> None:
        """Notes one warm-up."""
        self._warm_up.labels(model_path, status).observe(seconds * 1e6)

    def queued(self, thread_pool_name: str, seconds: float) -> None:
        """Notes how long a request waited for its batch."""
        self._queuing.labels(thread_pool_name).observe(seconds * 1e6)

    def page(self) -> str:
        """All metrics in Prometheus' text format, version 0.0.4."""
        text = _TOTAL.sub(r"\1", generate_latest(self._registry).decode())
        return _LIMIT.sub(lambda limit: f"{float(limit[0]):.6g}", text)
