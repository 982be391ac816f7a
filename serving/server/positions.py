"""Which row of a batch a model fails on."""

from collections.abc import Callable, Mapping, Sequence

import grpc
import numpy as np

from serving.server.faults import Fault, ModelFault
from serving.server.signatures import Signature

Arrays = Mapping[str, np.ndarray]


def rows_of(signature: Signature, arrays: Arrays) -> list[str]:
    """The inputs that hold one row a picture, point or Example.

    Only signatures with a batch of strings have any: encoded pictures and Examples can be wrong
    one by one; numbers seldom are.
    """
    sizes = set(signature.string_batches(arrays))
    if len(sizes) != 1:
        return []
    size = sizes.pop()
    return sorted(
        name
        for name, slot in signature.inputs.items()
        if slot.batched and arrays[name].ndim and len(arrays[name]) == size
    )


def locate(
    run: Callable[[Arrays], object], arrays: Arrays, batched: Sequence[str], fault: ModelFault
) -> ModelFault:
    """Finds the first row that a failed run failed on, by halving.

    It costs at most as many rows as the batch has, in about log2 of that many runs. A fault that
    is not any row's, as of a wrong class index, comes back as it is.

    Args:
        run: runs the model.
        arrays: inputs that failed.
        batched: names of those that hold rows, see `rows_of`.
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
