"""From a version's folder to a servable that may take requests: loaded, and warmed up."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.names import ASSETS_EXTRA, DIGEST_FILE, WARMUP_FILE
from serving.server.call import Call
from serving.server.core import Core
from serving.server.faults import Fault, failed_precondition, from_number, invalid, unimplemented
from serving.server.metrics import Metrics
from serving.server.observer import Observer
from serving.server.options import ServerOptions
from serving.server.servable import Asked, Servable
from serving.server.served_model import Load
from serving.server.service import Service
from serving.server.session import session_config
from serving.server.signatures import signature_name
from serving.stores.versions import model_digest

logger = logging.getLogger(__name__)

# As in TensorFlow Serving: tensorflow_serving/servables/tensorflow/saved_model_warmup_util.h
MAX_RECORDS = 1000


def make_load(options: ServerOptions, metrics: Metrics) -> Load:
    """The way that this server's versions are loaded."""
    session_config(options)  # an InputError at the start rather than a model that does not load
    asked: defaultdict[str, set[Asked]] = defaultdict(set)  # by model

    def load(name: str, folder: Path, version: int) -> Servable:
        started, loaded = time.monotonic(), False
        try:
            if options.verify_digest:
                _check_digest(folder)
            queued, known = metrics.queued, asked[name]
            servable = Servable(folder, version, options=options, queued=queued, asked=known)
            loaded = True
        finally:
            metrics.loaded(str(folder), time.monotonic() - started, ok=loaded)
        if options.enable_model_warmup:
            try:
                iterations = options.num_request_iterations_for_warmup or 1
                _warm_up(servable, folder, iterations, metrics)
            except BaseException:
                servable.close()
                raise
        return servable

    return load


def _check_digest(folder: Path) -> None:
    """Refuses a version that is not what was pushed, if it says what was."""
    path = folder / ASSETS_EXTRA / DIGEST_FILE
    if path.is_file() and path.read_text("ascii", "replace").strip() != model_digest(folder):
        raise failed_precondition(f"{folder}: the files are not those of its {DIGEST_FILE}")


def _warm_up(servable: Servable, folder: Path, iterations: int, metrics: Metrics) -> None:
    """Replays the requests that the model's exporter recorded, if there are any.

    Raises:
        Fault: a request is answered with it, or the file is not as it should be. As in TensorFlow
            Serving, the version must then not be served.
    """
    path = folder / ASSETS_EXTRA / WARMUP_FILE
    if not path.is_file():
        return
    started, status = time.monotonic(), "OK"
    count = 0
    service = Service(cast(Core, _Only(servable)), Observer())
    try:
        asked = set(servable.asked)
        for count, log in enumerate(_records(path), start=1):
            if count > MAX_RECORDS:
                most = f"exceeds the maximum ({MAX_RECORDS})"
                raise invalid(f"Number of warmup records {most} at {path}")
            for _ in range(iterations):
                _replay(service, log, count)
            asked -= _asked_again(service, log, asked)
    except Fault as fault:
        status = fault.code.name
        raise
    finally:
        metrics.warmed_up(str(folder), time.monotonic() - started, status)
    logger.info("%s: %d warm-up records", folder, count)


class _Only:
    """Lends one servable, whatever is asked for: a record names the model it was made with."""

    def __init__(self, servable: Servable):
        self._servable = servable

    @contextmanager
    def lease(self, spec: ModelSpec) -> Iterator[Servable]:
        yield self._servable


def _records(path: Path) -> Iterator[PredictionLog]:
    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            yield PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record from {path}") from error
    except tf.errors.OpError as error:
        details = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise from_number(error.error_code, details) from error


def _asked_again(service: Service, log: PredictionLog, asked: Set[Asked]) -> set[Asked]:
    """Asks a recorded request for what other versions were asked for; tells for what."""
    request = log.predict_log.request
    name = signature_name(request.model_spec)
    found = {one for one in asked if one[0] == name and log.HasField("predict_log")}
    for _, outputs in found:
        request.output_filter[:] = outputs
        with suppress(Fault):  # this version may have other outputs
            service.predict(request, Call("warmup", "predict_log", ""))
    return found


def _replay(service: Service, log: PredictionLog, number: int) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        return  # TensorFlow Serving passes over an empty one as well
    answer = getattr(service, kind.removesuffix("_log"), None)
    if answer is None:
        raise unimplemented(f"Unsupported log_type for warmup: {kind} (record {number})")
    request = getattr(log, kind).request
    if kind != "multi_inference_log":
        request.model_spec.SetInParent()  # a record need not name a model
    try:
        answer(request, Call("warmup", kind, str(number)))
    except Fault as fault:
        raise Fault(fault.code, f"warm-up record {number}: {fault.details}") from fault
