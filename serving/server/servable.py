"""One loaded version of a model, run the way TensorFlow Serving runs it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import grpc
import numpy as np

from serving.pictures import MAX_REQUEST_PIXELS, told_pixels
from serving.server.batching import Arrays, Batcher
from serving.server.faults import Fault, ModelFault, exhausted, invalid
from serving.server.options import DEFAULTS, ServerOptions
from serving.server.session import open_session
from serving.server.signatures import Signature

Outputs = dict[str, np.ndarray]
Asked = tuple[str, tuple[str, ...]]  # a signature, and outputs of it

# TensorFlow keeps a plan for each set of outputs that was ever asked for; beyond so many a
# signature's outputs are all computed, so that requests cannot fill the memory with plans.
_MAX_PLANS = 256
# And so many of them, a second's work each, are made before the next version goes live.
_MAX_ASKED = 16

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
        options: ServerOptions = DEFAULTS,
        queued: Callable[[str, float], None] = lambda name, seconds: None,
        asked: set[Asked] | None = None,
    ):
        """Loads the model in `folder`; raises whatever TensorFlow or LiteRT finds wrong with it.

        Args:
            folder: holds `saved_model.pb` or `model.tflite`.
            version: its number.
            options: how it runs, and whether a signature is only for the method whose name it has.
            queued: told the threads' name and how many seconds a request waited for its batch.
            asked: grows by what is asked for; the next version is warmed up with it.
        """
        self.version = version
        self._session = open_session(folder, options)
        self.signature_defs = self._session.signatures
        self.signatures = {
            key: Signature.from_proto(key, proto, options.enable_signature_method_name_check)
            for key, proto in self.signature_defs.signature_def.items()
        }
        self._plans: set[tuple[str, ...]] = set()
        self.asked: set[Asked] = set() if asked is None else asked
        batching = options.batching
        self._batcher = Batcher(self._run_one, batching, queued) if batching else None

    def close(self) -> None:
        """Frees the model; no request may be running."""
        if self._batcher:
            self._batcher.close()
        self._session.close()

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
            Fault: its pictures are too large together, or the model fails on it. If that is the
                fault of one row of a batch of strings, the message tells the row's position.
        """
        first = self.signatures[next(iter(outputs))]
        rows = first.rows(arrays)
        if rows > MAX_ROWS:
            raise exhausted(f"a batch of {rows} strings, at most {MAX_ROWS} are taken")
        pixels = sum(told_pixels(value) for value in arrays.values() if value.dtype == object)
        if pixels > MAX_REQUEST_PIXELS:
            expected = f"at most {MAX_REQUEST_PIXELS} are taken"
            raise invalid(f"the pictures of the request have {pixels} pixels, {expected}")
        try:
            if self._batcher and len(outputs) == 1:
                names = outputs[first.name]
                return {first.name: self._batcher.run(first.name, arrays, names, wanted)}
            return self._run(arrays, outputs)
        except ModelFault as fault:
            batched = _rows_of(first, arrays)
            raise locate(lambda part: self._run(part, outputs), arrays, batched, fault) from fault

    def _run_one(self, signature_name: str, arrays: Arrays, outputs: Sequence[str]) -> Outputs:
        return self._run(arrays, {signature_name: outputs})[signature_name]

    def _run(self, arrays: Arrays, outputs: Mapping[str, Sequence[str]]) -> dict[str, Outputs]:
        """As `run`, right now."""
        first = self.signatures[next(iter(outputs))]
        feeds = {slot.tensor: arrays[name] for name, slot in first.inputs.items()}
        slots = {
            (key, output): self.signatures[key].outputs[output]
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

    def _plan(self, outputs: Mapping[str, Sequence[str]], tensors: set[str]) -> tuple[str, ...]:
        """The tensors to fetch, always in the same order."""
        plan = tuple(sorted(tensors))
        if plan in self._plans:
            return plan
        if len(self._plans) >= _MAX_PLANS:
            slots = [slot for key in outputs for slot in self.signatures[key].outputs.values()]
            return tuple(sorted({slot.tensor for slot in slots} & set(self._session.fetches)))
        self._plans.add(plan)
        for signature, names in outputs.items():
            if len(self.asked) < _MAX_ASKED:
                self.asked.add((signature, tuple(sorted(names))))
        return plan


def _rows_of(signature: Signature, arrays: Arrays) -> list[str]:
    """The inputs that hold one row a picture, point or Example.

    Only signatures with a batch of strings have any: encoded pictures and Examples can be wrong
    one by one; numbers seldom are.
    """
    slots = signature.inputs.items()
    sizes = {name: len(arrays[name]) for name, one in slots if one.batched and arrays[name].ndim}
    strings = {size for name, size in sizes.items() if signature.inputs[name].is_string}
    return sorted(name for name, size in sizes.items() if strings == {size})


def locate(
    run: Callable[[Arrays], object], arrays: Arrays, batched: Sequence[str], fault: ModelFault
) -> ModelFault:
    """Finds the first row that a failed run failed on, by halving.

    It costs at most as many rows as the batch has, in about log2 of that many runs. A fault that
    is not any row's, as of a wrong class index, comes back as it is.

    Args:
        run: runs the model.
        arrays: inputs that failed.
        batched: names of those that hold rows, see `_rows_of`.
        fault: what the run failed with.

    Returns:
        The row's own fault, its message with the row's position in front; else `fault`.
    """

    if fault.code is not grpc.StatusCode.INVALID_ARGUMENT or not batched:
        return fault

    def failure(first: int, last: int) -> Fault | None:
        part = {name: array[first:last] for name, array in arrays.items() if name in batched}
        try:
            run({**arrays, **part})
        except Fault as found:
            return found
        return None

    without = failure(0, 0)
    if without is not None and without.details == fault.details:
        return fault
    first, last = 0, len(arrays[batched[0]])
    one: Fault | None = fault if last == 1 else None
    passed = without is None  # whether any part went well: what never does is no row's fault
    while last - first > 1:
        middle = (first + last) // 2
        one = failure(first, middle)
        if one is None:
            first, passed = middle, True
        else:
            last = middle
    if one is None and last > first:
        one = failure(first, last)
    if one is None or not passed or one.code is not grpc.StatusCode.INVALID_ARGUMENT:
        return fault
    what = "input" if len(batched) == 1 else "inputs"
    return ModelFault(one.code, f"{what} {', '.join(batched)}, position {first}: {one.details}")
