"""One loaded version of a model, run the way TensorFlow Serving runs it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from serving.server.batching import Batcher
from serving.server.batching_parameters import BatchingParameters
from serving.server.faults import ModelFault, exhausted, failed_precondition, invalid
from serving.server.positions import Arrays, locate, rows_of
from serving.server.session import ModelSession
from serving.server.signatures import Signature
from serving.wire.messages_pb2 import TensorProto

Outputs = dict[str, np.ndarray]

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
        batching: BatchingParameters | None = None,
        queued: Callable[[str, float], None] = lambda name, seconds: None,
    ):
        """Loads the SavedModel in `folder`; raises whatever TensorFlow finds wrong with it.

        Args:
            folder: holds `saved_model.pb`.
            version: its number.
            batching: how concurrent requests are put together; None: they are not.
            queued: told the threads' name and how many seconds a request waited for its batch.
        """
        self.version = version
        self._session = ModelSession(folder)
        self.signatures = self._session.signatures
        self._signatures = {
            key: Signature.from_proto(key, proto)
            for key, proto in self.signatures.signature_def.items()
        }
        self._plans: set[tuple[str, ...]] = set()
        self._batcher = Batcher(self._run_one, batching, queued) if batching else None

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
        """As `run`, on a request's tensors, which have to fit; an empty filter is all outputs."""
        signature = self._signatures.get(signature_name)
        if signature is None:
            raise failed_precondition(f'Serving signature key "{signature_name}" not found.')
        outputs = {signature_name: signature.choose(output_filter)}
        return self.run(signature.decode(inputs), outputs, wanted=wanted)[signature_name]

    def run(
        self,
        arrays: Arrays,
        outputs: Mapping[str, Sequence[str]],
        *,
        wanted: Callable[[], bool] = lambda: True,
    ) -> dict[str, Outputs]:
        """Runs a signature, in a batch with other requests if batching is on.

        Args:
            arrays: its inputs.
            outputs: names by signature; several signatures take the same tensors, in one run.
            wanted: asked just before a batch runs whether somebody still waits.

        Returns:
            Outputs by name, by signature; strings as `object` arrays.

        Raises:
            Fault: the model fails on it. If that is the fault of one row of a batch of strings,
                the message tells the row's position.
        """
        first = self._signatures[next(iter(outputs))]
        rows = first.rows(arrays)
        if rows > MAX_ROWS:
            raise exhausted(f"a batch of {rows} strings, at most {MAX_ROWS} are taken")
        try:
            if self._batcher and len(outputs) == 1:
                names = outputs[first.name]
                return {first.name: self._batcher.run(first.name, arrays, names, wanted)}
            return self._run(arrays, outputs)
        except ModelFault as fault:
            batched = rows_of(first, arrays)
            raise locate(lambda part: self._run(part, outputs), arrays, batched, fault) from fault

    def _run_one(self, signature_name: str, arrays: Arrays, outputs: Sequence[str]) -> Outputs:
        return self._run(arrays, {signature_name: outputs})[signature_name]

    def _run(self, arrays: Arrays, outputs: Mapping[str, Sequence[str]]) -> dict[str, Outputs]:
        """As `run`, right now."""
        first = self._signatures[next(iter(outputs))]
        feeds = {slot.tensor: arrays[name] for name, slot in first.inputs.items()}
        slots = {
            (key, output): self._signatures[key].outputs[output]
            for key, names in outputs.items()
            for output in names
        }
        for (_, output), slot in slots.items():
            if slot.tensor not in self._session.fetches:
                raise invalid(f"output {output} is no dense tensor")
        plan = self._plan(outputs, {slot.tensor for slot in slots.values()})
        with _large if first.rows(arrays) > _LARGE_ROWS else nullcontext():
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
            return tuple(sorted({slot.tensor for slot in slots} & set(self._session.fetches)))
        self._plans.add(plan)
        return plan
