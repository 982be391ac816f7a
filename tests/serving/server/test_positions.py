"""The search for the row that a model fails on, without a model."""

from collections.abc import Callable

import grpc
import numpy as np
import pytest

from serving.server.faults import ModelFault
from serving.server.positions import locate

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
        for row in arrays["x"]:
            if row in (3, 5):
                raise _fault(f"row {row}")

    assert _located(8, run, _fault("row 5")).details == "input x, position 3: row 3"


def test_what_fails_without_any_row_is_no_rows_fault() -> None:
    runs: list[int] = []

    def run(arrays: dict[str, np.ndarray]) -> None:
        runs.append(len(arrays["x"]))
        raise WHOLE

    assert _located(9, run) is WHOLE
    assert runs == [0]


@pytest.mark.parametrize("size", [1, 4])
def test_what_never_goes_well_is_no_rows_fault(size: int) -> None:
    """The model takes no empty batch either, so that tells nothing."""

    def run(arrays: dict[str, np.ndarray]) -> None:
        raise WHOLE if len(arrays["x"]) else _fault("no rows")

    assert _located(size, run) is WHOLE


def test_a_model_that_takes_no_empty_batch() -> None:
    def run(arrays: dict[str, np.ndarray]) -> None:
        if not len(arrays["x"]):
            raise _fault("no rows")
        if 2 in arrays["x"]:
            raise _fault("bad")

    assert _located(4, run).details == "input x, position 2: bad"


def test_a_fault_that_no_row_has_alone_names_none() -> None:
    assert _located(9, lambda arrays: None) is WHOLE


def test_another_kind_of_fault_on_the_way_names_none() -> None:
    def run(arrays: dict[str, np.ndarray]) -> None:
        if len(arrays["x"]):
            raise _fault("out of memory", grpc.StatusCode.RESOURCE_EXHAUSTED)

    assert _located(4, run) is WHOLE
