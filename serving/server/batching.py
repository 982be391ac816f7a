"""Batching across concurrent requests: several requests, one run of the model.

What a request gets is what it would get alone: its own rows of every output, and never another
request's error. Where TensorFlow Serving's batching refuses a request because its tensors do not
line up (no dimension, different 0th dimensions, an output that is not one row a row), it runs
alone here, so that batching never takes away what a model could do without it.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import grpc
import numpy as np

from serving.server.batch_scheduler import BatchingParameters, BatchScheduler
from serving.server.faults import Fault

Arrays = Mapping[str, np.ndarray]
Run = Callable[[str, Arrays, tuple[str, ...]], dict[str, np.ndarray]]


@dataclass
class _Request:
    """One request on its way through a batch.

    `answer` holds its outputs, its error, or None: it has to run alone.
    """

    signature: str
    arrays: Arrays
    outputs: tuple[str, ...]
    size: int
    wanted: Callable[[], bool]
    came: float = field(default_factory=time.monotonic)  # seconds
    answer: "Future[dict[str, np.ndarray] | None]" = field(default_factory=Future)


class Batcher:
    """Runs a model's signatures, for many threads at a time, in batches.

    Requests go together that ask for the same outputs of the same signature with inputs of the
    same types and, beyond the 0th dimension, the same shapes.

    Args:
        run: (signature, arrays, outputs) -> outputs by name; many threads may call it.
        parameters: sizes, times and number of threads.
        queued: told for every request the threads' name and the seconds it waited for its batch.
    """

    def __init__(
        self,
        run: Run,
        parameters: BatchingParameters,
        queued: Callable[[str, float], None] = lambda name, seconds: None,
    ):
        self._run = run
        self._parameters = parameters
        self._queued = queued
        self._scheduler: BatchScheduler[_Request] = BatchScheduler(parameters, self._process)
        # Signatures and outputs whose answers are not one row a row. The model's signatures bound
        # it: only sets of outputs that really ran are kept.
        self._alone: set[tuple[str, frozenset[str]]] = set()

    def run(
        self,
        signature: str,
        arrays: Arrays,
        outputs: Sequence[str],
        wanted: Callable[[], bool] = lambda: True,
    ) -> dict[str, np.ndarray]:
        """Runs one request in whatever batch comes first; `wanted` is asked just before.

        Returns:
            The outputs by name, rows of this request only.

        Raises:
            Fault: what the model fails with on this request; the queue is full (UNAVAILABLE); the
                request is larger than a batch may be (INVALID_ARGUMENT); nobody waits any more
                (CANCELLED).
        """
        names = tuple(sorted(outputs))
        size = _rows(arrays)
        if not size or (signature, frozenset(names)) in self._alone:
            return self._run(signature, arrays, names)
        request = _Request(signature, arrays, names, size, wanted)
        self._scheduler.submit(self._kind(request), request, size)
        answer = request.answer.result()
        return self._run(signature, arrays, names) if answer is None else answer

    def close(self) -> None:
        """Answers what is queued and ends the threads."""
        self._scheduler.close()

    def _kind(self, request: _Request) -> Hashable:
        padding = self._parameters.pad_variable_length_inputs
        shapes = (
            # Padding repeats the first element: one without elements has none.
            (name, array.dtype.str, array.ndim if padding and array.size else array.shape[1:])
            for name, array in request.arrays.items()
        )
        return request.signature, request.outputs, tuple(sorted(shapes))

    def _process(self, requests: list[_Request]) -> None:
        try:
            now, live = time.monotonic(), []
            for request in requests:
                self._queued(self._parameters.thread_pool_name, now - request.came)
                if request.wanted():
                    live.append(request)
                else:
                    nobody = "nobody waits for the answer any more"
                    request.answer.set_exception(Fault(grpc.StatusCode.CANCELLED, nobody))
            if live:
                self._answer(live)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            for request in requests:
                if not request.answer.done():
                    request.answer.set_exception(error)

    def _answer(self, requests: list[_Request]) -> None:
        first = requests[0]
        rows = sum(request.size for request in requests)
        padded = self._parameters.padded(rows)
        if len(requests) == 1 and padded == rows:
            first.answer.set_result(self._run(first.signature, first.arrays, first.outputs))
            return
        merged = _merge([request.arrays for request in requests], padded - rows)
        try:
            values = self._run(first.signature, merged, first.outputs)
        except Exception:  # noqa: BLE001 - one picture is to blame, or the size
            pass
        else:
            if all(array.ndim and len(array) == padded for array in values.values()):
                _split(values, requests)
                return
            self._alone.add((first.signature, frozenset(first.outputs)))
        for request in requests:  # each gets its own
            request.answer.set_result(None)


def _rows(arrays: Arrays) -> int:
    """The common size of the 0th dimension; 0: there is none, so these cannot be batched."""
    sizes = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    return sizes.pop() if len(sizes) == 1 else 0


def _merge(parts: Sequence[Arrays], padding: int) -> dict[str, np.ndarray]:
    """Inputs of all requests, one after the other, and `padding` rows that repeat one of them."""
    merged = {}
    for name in parts[0]:
        arrays = _evened([part[name] for part in parts])
        # Filled up with a row that is known to be valid.
        merged[name] = np.concatenate([*arrays, *[arrays[-1][:1]] * padding])
    return merged


def _evened(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The same arrays, filled up with their first element to one size beyond the 0th dimension."""
    sizes = tuple(np.max([array.shape for array in arrays], axis=0)[1:])
    evened = []
    for array in arrays:
        filled = array
        if array.shape[1:] != sizes:
            filled = np.full((len(array), *sizes), array.flat[0], array.dtype)
            filled[tuple(slice(size) for size in array.shape)] = array
        evened.append(filled)
    return evened


def _split(values: Arrays, requests: Sequence[_Request]) -> None:
    start = 0
    for request in requests:
        rows = slice(start, start + request.size)
        # A copy: a view would keep the whole batch alive until the slowest answer is written.
        request.answer.set_result({name: array[rows].copy() for name, array in values.items()})
        start += request.size
