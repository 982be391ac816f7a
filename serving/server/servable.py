"""One loaded version of a model, run the way TensorFlow Serving runs it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

import grpc
import numpy as np

from serving.server.batching import Batcher
from serving.server.batching_parameters import BatchingParameters
from serving.server.faults import Fault, ModelFault, invalid
from serving.server.positions import Arrays, locate, rows_of
from serving.server.session import ModelSession
from serving.server.signatures import Signature
from serving.wire.tensor_pb2 import TensorProto

Outputs = dict[str, np.ndarray]
Answer = TypeVar("Answer")

# TensorFlow keeps a plan for each set of outputs that was ever asked for; beyond so many a
# signature's outputs are all computed, so that requests cannot fill the memory with plans.
_MAX_PLANS = 256

# A small encoded picture takes a thousand times its bytes inside a model. So of such rows a request
# has at most as many as a batch of TensorFlow Serving by default, and large ones run one by one.
MAX_ROWS = 1000
_LARGE_ROWS = 64
_large = threading.Semaphore()


class Servable:
    """A version of a model that answers requests, from many threads at a time."""

    def __init__(
        self,
        folder: Path,
        version: int,
        *,
        name: str = "default",
        batching: BatchingParameters | None = None,
        queued: Callable[[str, float], None] = lambda name, seconds: None,
    ):
        """Loads the SavedModel in `folder`; raises whatever TensorFlow finds wrong with it.

        Args:
            folder: holds `saved_model.pb`.
            version: its number.
            name: the model's name.
            batching: how concurrent requests are put together; None: they are not.
            queued: told the threads' name and how many seconds a request waited for its batch.
        """
        self.name, self.version = name, version
        self._session = ModelSession(folder)
        self.signatures = self._session.signatures
        self._signatures = {
            key: Signature.from_proto(key, proto)
            for key, proto in self.signatures.signature_def.items()
        }
        self._plans: set[tuple[str, ...]] = set()
        self._batcher = Batcher(self._run, batching, queued) if batching else None

    def close(self) -> None:
        """Frees the model; no request may be running."""
        if self._batcher:
            self._batcher.close()
        self._session.close()

    def signature(self, name: str) -> Signature | None:
        """The signature of this name; None: there is none."""
        return self._signatures.get(name)

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, TensorProto],
        output_filter: Sequence[str],
        *,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Outputs:
        """Runs a signature on a request's tensors; an empty filter asks for all outputs.

        Returns:
            The outputs by name; strings as `object` arrays.

        Raises:
            Fault: the request does not fit the signature, or the model fails on it.
        """
        signature = self._signatures.get(signature_name)
        if signature is None:
            raise Fault(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{signature_name}" not found.',
            )
        outputs = signature.choose(output_filter)
        return self.run(signature_name, signature.decode(inputs), outputs, wanted=wanted)

    def run(
        self,
        signature_name: str,
        arrays: Arrays,
        outputs: Sequence[str],
        *,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Outputs:
        """Runs a signature on arrays, in a batch with other requests if batching is on.

        Returns:
            The outputs by name; strings as `object` arrays.

        Raises:
            Fault: the model fails on it. If that is the fault of one row of a batch of strings,
                the message tells the row's position.
        """

        def run(part: Arrays) -> Outputs:
            return self._run(signature_name, part, outputs)

        def scheduled(part: Arrays) -> Outputs:
            if self._batcher:
                return self._batcher.run(signature_name, part, outputs, wanted)
            return run(part)

        return self._located(self._signatures[signature_name], arrays, scheduled, run)

    def run_together(
        self, arrays: Arrays, outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, Outputs]:
        """Runs several signatures that take the same tensors, in one go.

        Returns:
            Outputs by name, by signature.
        """
        first = self._signatures[next(iter(outputs))]

        def run(part: Arrays) -> dict[str, Outputs]:
            return self._execute(first, part, outputs)

        return self._located(first, arrays, run, run)

    def _located(
        self,
        signature: Signature,
        arrays: Arrays,
        run: Callable[[Arrays], Answer],
        run_part: Callable[[Arrays], object],
    ) -> Answer:
        """Runs, and tells the position of the row that the model fails on."""
        rows = _rows(signature, arrays)
        if rows > MAX_ROWS:
            raise Fault(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"a batch of {rows} strings, at most {MAX_ROWS} are taken",
            )
        try:
            return run(arrays)
        except ModelFault as fault:
            batched = rows_of(signature, arrays)
            if fault.code is not grpc.StatusCode.INVALID_ARGUMENT or not batched:
                raise
            raise locate(run_part, arrays, batched, fault) from fault

    def _run(self, signature_name: str, arrays: Arrays, outputs: Sequence[str]) -> Outputs:
        """One signature, right now."""
        signature = self._signatures[signature_name]
        return self._execute(signature, arrays, {signature_name: outputs})[signature_name]

    def _execute(
        self, signature: Signature, arrays: Arrays, outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, Outputs]:
        feeds = {}
        for key, slot in signature.inputs.items():
            if not self._session.feeds(slot.tensor):
                raise Fault(grpc.StatusCode.UNIMPLEMENTED, f"input {key} is no dense tensor")
            feeds[slot.tensor] = arrays[key]
        slots = {
            (key, output): self._signatures[key].outputs[output]
            for key, names in outputs.items()
            for output in names
        }
        for (_, output), slot in slots.items():
            if not self._session.fetches(slot.tensor):
                raise invalid(f"output {output} is no dense tensor")
        plan = self._plan(outputs, {slot.tensor for slot in slots.values()})
        with _large if _rows(signature, arrays) > _LARGE_ROWS else nullcontext():
            values = self._session.run(feeds, plan)
        answers: dict[str, Outputs] = {key: {} for key in outputs}
        for (key, output), slot in slots.items():
            value = values[slot.tensor]
            # NumPy's own string type would cut trailing zero bytes off.
            array = np.array(value, object) if slot.is_string else np.asarray(value)
            answers[key][output] = array
        return answers

    def _plan(self, signatures: Mapping[str, object], tensors: set[str]) -> tuple[str, ...]:
        """The tensors to fetch, always in the same order."""
        plan = tuple(sorted(tensors))
        if plan in self._plans:
            return plan
        if len(self._plans) >= _MAX_PLANS:
            slots = [slot for key in signatures for slot in self._signatures[key].outputs.values()]
            return tuple(sorted({s.tensor for s in slots if self._session.fetches(s.tensor)}))
        self._plans.add(plan)
        return plan


def _rows(signature: Signature, arrays: Arrays) -> int:
    return max(map(len, signature.string_batches(arrays)), default=0)
