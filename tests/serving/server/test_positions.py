"""The search for the row that a model fails on, without a model."""

from collections.abc import Callable

import grpc
import numpy as np
import pytest

from serving.server.faults import ModelFault
from serving.server.servable import locate

Run = Callable[[dict[str, np.ndarray]], None]
WHOLE = ModelFault(grpc.StatusCode.INVALID_ARGUMENT, "as a whole")


def _fault(details: str, code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT) -> ModelFault:
    return ModelFault(code, details)


def _located(size: int, run: Run, fault: ModelFault = WHOLE) -> ModelFault:
    return locate(run, {"x": np.arange(size), "k": np.array(1)}, ["x"], fault)


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100])
def test_the_search_costs_no_more_rows_than_the_batch(size: int) -> None:
    runs: list[int] = []

    def run(arrays: dict[str, np.ndarray]) -> None:
        runs.append(len(arrays["x"]))
        assert arrays["k"] == 1
        if bad in arrays["x"]:
            raise _fault("bad")

    for bad in range(size):
        runs.clear()
        assert _located(size, run, _fault("bad")).details == f"input x, position {bad}: bad"
        assert sum(runs) <= size
        assert len(runs) <= 2 + np.ceil(np.log2(size))


def test_the_message_is_the_rows_own() -> None:
    def run(arrays: dict[str, np.ndarray]) -> None:
        if not len(arrays["x"]):
            raise _fault("no rows")  # a model that takes no empty batch
        for row in {3, 5}.intersection(arrays["x"]):
            raise _fault(f"row {row}")

    assert _located(8, run, _fault("row 5")).details == "input x, position 3: row 3"


MEMORY = _fault("out of memory", grpc.StatusCode.RESOURCE_EXHAUSTED)


@pytest.mark.parametrize(
    ("size", "empty", "full", "runs"),
    [
        (9, WHOLE, WHOLE, 1),  # it fails without any row
        (1, _fault("no rows"), WHOLE, 1),  # it never goes well: the empty batch tells nothing
        (4, _fault("no rows"), WHOLE, 4),
        (9, None, None, 6),  # no row fails alone
        (4, None, MEMORY, 4),  # another kind of fault on the way
    ],
)
def test_what_is_no_rows_fault(size, empty, full, runs):
    sizes: list[int] = []

    def run(arrays: dict[str, np.ndarray]) -> None:
        sizes.append(len(arrays["x"]))
        if fault := full if len(arrays["x"]) else empty:
            raise fault

    assert _located(size, run) is WHOLE
    assert len(sizes) <= runs
