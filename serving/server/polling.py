"""What is looked at again and again: the base paths, and the model config file."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import InputError
from serving.server.config_files import read_config
from serving.server.faults import Fault

logger = logging.getLogger(__name__)

# Time between two tries of a configuration of which some model did not load, at least: each try
# loads the others of its new models.
_SECONDS_AFTER_FAILED_LOAD = 60.0


class Poller:
    """Calls something every so many seconds, in a thread, until it is stopped.

    Args:
        name: the thread's.
        seconds: between the end of a call and the next.
        look: what is called; an exception of its is logged and ends nothing.
    """

    def __init__(self, name: str, seconds: float, look: Callable[[], None]):
        self._seconds, self._look = seconds, look
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when no call runs and none will."""
        self._end.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                self._look()
            except Exception:
                logger.exception("%s", self._thread.name)


class ConfigFile:
    """Takes over what --model_config_file says, whenever it says something else."""

    def __init__(
        self, path: Path, taken: ModelServerConfig, reload: Callable[[ModelServerConfig], None]
    ):
        self._path, self._reload = path, reload
        self._taken = taken
        self._told = ""
        self._failed: ModelServerConfig | None = None
        self._again = 0.0  # time.monotonic

    def look(self) -> None:
        """Reads the file once.

        What is refused is told in the log, once, and tried again at each look: the version that a
        label waits for may come, or the folder of a model.
        """
        try:
            config = read_config(self._path)
        except InputError as error:
            self._tell(str(error))
            return
        # An empty one is about to be written.
        if config == self._taken or config.WhichOneof("config") is None:
            self._told = ""
            return
        if config == self._failed and time.monotonic() < self._again:
            return
        try:
            self._reload(config)
        except Fault as fault:
            self._failed = config
            failed_load = fault.code is grpc.StatusCode.UNKNOWN
            self._again = time.monotonic() + _SECONDS_AFTER_FAILED_LOAD * failed_load
            self._tell(f"{self._path} is not taken over: {fault.details}")
            return
        self._taken, self._failed, self._told = config, None, ""
        logger.info("%s is taken over", self._path)

    def _tell(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            logger.error("%s", problem)
