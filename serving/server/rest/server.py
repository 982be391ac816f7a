"""The REST API on a port, in a thread of its own."""

import os
import socket
import threading

import uvicorn

from serving.errors import InputError
from serving.server.core import Core
from serving.server.observer import Observer
from serving.server.rest.app import RestApp
from serving.server.rest.endpoints import Endpoints
from serving.server.service import Service

# Longer than clients and load balancers keep an idle connection: they close it, not the server
# while a request is on its way.
_KEEP_ALIVE_SECONDS = 120
_BACKLOG = 2048


class RestServer:
    """A running REST server.

    Attributes:
        port: where it listens.
    """

    def __init__(self, app: RestApp, listener: socket.socket):
        self.port: int = listener.getsockname()[1]
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="rest", daemon=True
        )
        self._thread.start()

    def stop(self, grace_seconds: float) -> None:
        """Takes no new requests, waits for those that run, and ends.

        Args:
            grace_seconds: after them the rest are cut off.
        """
        self._server.should_exit = True
        self._thread.join(grace_seconds)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(5.0)


def start_rest_server(
    core: Core,
    service: Service,
    observer: Observer,
    *,
    host: str,
    port: int,
    timeout_seconds: float = 30.0,
    metrics_path: str | None = None,
    threads: int | None = None,
    cors: bool = False,
) -> RestServer:
    """Starts answering.

    Args:
        core: the models.
        service: answers.
        observer: sees every request.
        host: address to listen on.
        port: 0 picks a free one.
        timeout_seconds: of one request; 0: no limit. TensorFlow Serving's default is 30 s.
        metrics_path: where Prometheus finds the metrics; None: nowhere.
        threads: requests answered at a time; None: four a core, as TensorFlow Serving.
        cors: whether pages from elsewhere may call the API.

    Returns:
        The running server.

    Raises:
        InputError: the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the socket tells its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(
            f"--rest_api_port={port}",
            expected=f"a free port on {host}",
            found="one in use or not allowed",
            todo="pass another port",
        ) from error
    app = RestApp(
        Endpoints(core, service),
        observer,
        timeout_seconds=timeout_seconds,
        metrics_path=metrics_path,
        threads=threads or 4 * (os.cpu_count() or 1),
        cors=cors,
    )
    return RestServer(app, listener)
