"""Callers of servers, by both of the ways that there are in a cluster."""

import threading
import time
from typing import Any

from serving.client import ImageClient

# The address of the Service, and those of all pods.
SERVERS = [
    "serving.kubeflow.svc.cluster.local:8500",
    "dns:///serving-pods.kubeflow.svc.cluster.local:8500",
]


class Callers:
    """Three that ask a server five times a second each, until they are told to stop.

    Attributes:
        answers: how many calls were answered, by target.
        failures: what went wrong, with the seconds since the start.
    """

    def __init__(self, picture: bytes, targets: list[str], timeout_seconds: float = 10):
        self._timeout = timeout_seconds
        self._picture, self._stop, self._start = picture, threading.Event(), time.monotonic()
        self.answers, self.failures = dict.fromkeys(targets, 0), list[str]()
        self._threads = [
            threading.Thread(target=self._ask, args=(target,)) for target in targets for _ in "123"
        ]

    def _ask(self, target: str) -> None:
        with ImageClient(target, timeout_seconds=self._timeout) as client:
            while not self._stop.wait(0.2):
                try:
                    client.predict([self._picture])
                    self.answers[target] += 1
                except Exception as error:  # noqa: BLE001 - each is a failure, whatever it is
                    self.failures.append(f"{time.monotonic() - self._start:.1f} s: {error}")

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        time.sleep(2)
        return self

    def __exit__(self, *_: Any) -> None:
        time.sleep(5)
        self._stop.set()
        for thread in self._threads:
            thread.join()
