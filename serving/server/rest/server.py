"""The REST API on a port, in a thread of its own."""

import asyncio
import errno
import logging
import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn

from serving.errors import InputError
from serving.server.admission import most_connections
from serving.server.observer import Observer
from serving.server.options import ServerOptions
from serving.server.rest.app import RestApp
from serving.server.rest.protocol import BoundedProtocol
from serving.server.service import Service

logger = logging.getLogger(__name__)

# Longer than clients and load balancers keep an idle connection: they close it, not the server
# while a request is on its way.
_KEEP_ALIVE_SECONDS = 120
# Where no connection can be taken for want of descriptors, asyncio tries and fails so many times a
# second.
_BACKLOG = 256
_SECONDS_BETWEEN_COMPLAINTS = 60.0


class RestServer:
    """A running REST server, on its `port`, in an event loop and a thread of its own.

    Raises:
        InputError: the port cannot be had.
    """

    def __init__(self, service: Service, observer: Observer, options: ServerOptions):
        listener = _listening(options)
        self.port: int = listener.getsockname()[1]
        self._app, self._loop = RestApp(service, observer, options), asyncio.new_event_loop()
        self._loop.set_exception_handler(self._complain)
        self._silent_until = 0.0
        protocol = partial(
            BoundedProtocol,
            most=most_connections(options.max_connections),
            seconds=options.receive_timeout_seconds,
            most_bytes=options.request_memory_mb * 2**20,
        )
        config = uvicorn.Config(
            self._app,
            http=protocol,  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # what callers do wrong is no warning
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            backlog=_BACKLOG,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._serve, args=(listener,), name="rest", daemon=True
        )
        self._thread.start()

    def stop(self, grace_seconds: float) -> None:
        """Takes no new requests; what still runs after so many seconds is cut off."""
        self._server.should_exit = True
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._app.close)
        self._thread.join(grace_seconds)
        if self._thread.is_alive():
            self._server.force_exit = True
            self._thread.join(5.0)

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif loop.time() >= self._silent_until:
            self._silent_until = loop.time() + _SECONDS_BETWEEN_COMPLAINTS
            logger.error("no connection can be taken: %s", error.strerror)

    def _serve(self, listener: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve([listener]))


def _listening(options: ServerOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # asyncio switches Nagle's delay off only where the socket tells its protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, max(options.rest_api_port, 0)))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise InputError(
            f"--rest_api_port={options.rest_api_port}",
            expected=f"a free port on {options.host}",
            found="one in use or not allowed",
            todo="pass another port",
        ) from error
    return listener
