"""Replays the requests that a model's exporter recorded, before the version takes real ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError, Message
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.names import ASSETS_EXTRA, WARMUP_FILE
from serving.server.call import Call
from serving.server.core import Core
from serving.server.faults import Fault, from_number, invalid
from serving.server.observer import Observer
from serving.server.servable import Servable
from serving.server.service import Service

# As in TensorFlow Serving: tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h
MAX_RECORDS = 1000


class _Only:
    """Lends one servable, whatever is asked for: a record names the model it was made with."""

    def __init__(self, servable: Servable):
        self._servable = servable

    @contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[Servable]:
        yield self._servable


def warm_up(servable: Servable, folder: Path, iterations: int = 1) -> int:
    """Replays `assets.extra/tf_serving_warmup_requests` of a version, if it has one.

    Returns:
        The number of records.

    Raises:
        Fault: a request is answered with it, or the file is not as it should be. As in TensorFlow
            Serving, the version must then not be served.
    """
    path = folder / ASSETS_EXTRA / WARMUP_FILE
    if not path.is_file():
        return 0
    service = Service(cast(Core, _Only(servable)), Observer())
    count = 0
    for count, log in enumerate(_records(path), start=1):
        if count > MAX_RECORDS:
            raise invalid(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}")
        for _ in range(iterations):
            _replay(service, log, count)
    return count


def _records(path: Path) -> Iterator[PredictionLog]:
    import tensorflow as tf

    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            yield PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record from {path}") from error
    except tf.errors.OpError as error:
        details = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise from_number(error.error_code, details) from error


def _replay(service: Service, log: PredictionLog, number: int) -> None:
    kind = log.WhichOneof("log_type")
    methods: dict[str, Callable[[Any, Call], Message]] = {
        "predict_log": service.predict,
        "classify_log": service.classify,
        "regress_log": service.regress,
        "multi_inference_log": service.multi_inference,
    }
    if kind is None:
        return  # TensorFlow Serving passes over an empty one as well
    if kind not in methods:
        raise Fault(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Unsupported log_type for warmup: {kind} (record {number})",
        )
    request = getattr(log, kind).request
    if kind != "multi_inference_log":
        request.model_spec.SetInParent()  # a record need not name a model
    try:
        methods[kind](request, Call("warmup", kind, str(number)))
    except Fault as fault:
        raise Fault(fault.code, f"warm-up record {number}: {fault.details}") from fault
