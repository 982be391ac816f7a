"""Puts the parts of the server together, and takes them apart in order."""

import ctypes
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc

from serving.errors import InputError
from serving.server.access_log import OFF, AccessLog
from serving.server.core import Core
from serving.server.faults import Fault
from serving.server.grpc_server import GrpcServer
from serving.server.loading import make_load
from serving.server.metrics import Metrics
from serving.server.observer import Observer
from serving.server.options import ServerOptions
from serving.server.polling import ConfigFile, Poller
from serving.server.request_log import RequestLog, Sampling
from serving.server.rest.server import RestServer
from serving.server.service import Service

logger = logging.getLogger(__name__)

_SWITCH_SECONDS = 0.0005
_TRIM_SECONDS = 5.0
_NEW_OBJECTS = 100_000  # between two collections


def run(options: ServerOptions, started: threading.Event, stop: threading.Event) -> int:
    """Serves until `stop` is set; sets `started` once requests are answered.

    Returns:
        0 after a graceful end, 1 if a model has no version that loads.

    Raises:
        InputError: the configuration is refused, or a port cannot be had.
    """
    _keep_requests_moving()
    observer = _observer(options)
    with ExitStack() as parts:
        parts.callback(observer.close)
        core = Core(make_load(options, observer.metrics), options, observer.configure)
        parts.callback(core.close)
        try:
            core.reload(options.config)
        except Fault as fault:
            if fault.code is grpc.StatusCode.UNKNOWN:
                print(fault.details, file=sys.stderr)
                return 1
            raise _refusal(options, fault) from fault
        service = Service(core, observer, options)
        servers: list[GrpcServer | RestServer] = []
        for kind in (GrpcServer, RestServer) if options.rest_api_port else (GrpcServer,):
            servers.append(kind(service, observer, options))
            parts.callback(servers[-1].stop, 0)
        started.set()
        _announce(core, options.host, [server.port for server in servers])
        _start_polling(options, core, parts)
        parts.callback(Poller("memory", _TRIM_SECONDS, _give_memory_back).stop)
        stop.wait()
        _stop(servers, options.shutdown_grace_seconds)
        if core.busy():
            logger.warning("%d requests took longer and were cut off", core.busy())
    return 0


def _keep_requests_moving() -> None:
    """Keeps the loading and unloading of versions from holding up requests.

    Loading builds a graph in Python for seconds. Each time a request then wants the interpreter's
    lock it waits for the switch interval, 5 ms by default, and it wants it many times. And the
    garbage collector, which unloading runs, need not look through all of TensorFlow's modules,
    which are imported by now, every time; nor, every 700 of them, through the new lists of a
    request's JSON (a million took three times as long).
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def _give_memory_back() -> None:
    """Makes glibc return what large requests took: it keeps it. Other C libraries have no such."""
    gc.collect(1)  # the young: requests that failed stand in circles with what they failed with
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)  # 0.2 ms where there is little, and without Python's lock


def _observer(options: ServerOptions) -> Observer:
    default, mode = None, int(options.file_mode, 8)
    if options.request_log:
        default = Sampling(options.request_log, options.request_log_sampling_rate)
    return Observer(
        Metrics(),
        AccessLog(options.access_log, mode) if options.access_log != OFF else None,
        RequestLog(default, with_bytes=options.request_log_with_bytes, mode=mode),
    )


def _refusal(options: ServerOptions, fault: Fault) -> InputError:
    where = f"--model_config_file {options.model_config_file}: " * bool(options.model_config_file)
    todo = ""
    if fault.code is grpc.StatusCode.FAILED_PRECONDITION:
        todo = "at the start nothing is: --allow_version_labels_for_unavailable_models=true"
    return InputError(f"{where}{fault.details}", todo=todo)


def _announce(core: Core, host: str, ports: list[int]) -> None:
    """Tells on stdout, in one write, what is served where: a line for each model, one for REST."""
    address = f"{host}:{ports[0]}"
    lines = [
        f"Serving {name} version {max(core.versions(name), default='none')} on {address}\n"
        for name in core.models()
    ] or [f"Serving no model yet on {address}\n"]
    lines += [f"REST on http://{host}:{port}\n" for port in ports[1:]]
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


def _start_polling(options: ServerOptions, core: Core, parts: ExitStack) -> None:
    if seconds := options.file_system_poll_wait_seconds:
        parts.callback(Poller("version-poller", seconds, core.refresh).stop)
    seconds = options.model_config_file_poll_wait_seconds
    if options.model_config_file and seconds:
        path = Path(options.model_config_file).expanduser()
        look = ConfigFile(path, options.config, core.reload).look
        parts.callback(Poller("model-config-file-poller", seconds, look).stop)


def _stop(servers: list[GrpcServer | RestServer], grace_seconds: float) -> None:
    """All at once, so that together they take no longer than the grace period."""
    logger.info("stopping: running requests may take up to %g s", grace_seconds)
    with ThreadPoolExecutor() as threads:
        for server in servers:
            threads.submit(server.stop, grace_seconds)
