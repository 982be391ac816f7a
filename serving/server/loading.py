"""From a version's folder to a servable that may take requests."""

import logging
import time
from pathlib import Path

from serving.server.faults import Fault
from serving.server.metrics import Metrics
from serving.server.options import ServerOptions
from serving.server.servable import Servable
from serving.server.served_model import Load
from serving.server.warmup import warm_up

logger = logging.getLogger(__name__)


def make_load(options: ServerOptions, metrics: Metrics) -> Load:
    """The way that this server's versions are loaded."""

    def load(name: str, folder: Path, version: int) -> Servable:
        started, loaded = time.monotonic(), False
        try:
            servable = Servable(
                folder, version, name=name, batching=options.batching, queued=metrics.queued
            )
            loaded = True
        finally:
            metrics.loaded(str(folder), time.monotonic() - started, ok=loaded)
        if options.enable_model_warmup:
            try:
                _warm_up(servable, folder, options.num_request_iterations_for_warmup or 1, metrics)
            except BaseException:
                servable.close()
                raise
        return servable

    return load


def _warm_up(servable: Servable, folder: Path, iterations: int, metrics: Metrics) -> None:
    started, status = time.monotonic(), "OK"
    count = 0
    try:
        count = warm_up(servable, folder, iterations)
    except Fault as fault:
        status = fault.code.name
        raise
    finally:
        seconds = time.monotonic() - started
        if count or status != "OK":
            metrics.warmed_up(str(folder), seconds, status)
    if count:
        logger.info("%s: %d warm-up records in %.3f s", folder, count, seconds)
