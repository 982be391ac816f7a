"""Batching: which requests go together, and that each gets what it would get alone."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.batch_scheduler import BatchingParameters, BatchScheduler
from serving.server.batching import Batcher
from serving.server.faults import invalid

Outputs = dict[str, np.ndarray]
SECONDS = 30


class Model:
    """Row by row: `x` times the signature's factor, and its sum; it remembers what it ran.

    Args:
        gate: runs wait for it.
    """

    def __init__(self, gate: threading.Event | None = None):
        self.gate = gate
        self.batches: list[np.ndarray] = []
        self.ran_in: list[str] = []  # names of threads
        self._lock = threading.Lock()

    def run(self, signature, arrays, outputs):
        x = arrays["x"]
        with self._lock:
            self.batches.append(x)
            self.ran_in.append(threading.current_thread().name)
        if self.gate:
            assert self.gate.wait(SECONDS)
        for row, value in enumerate(x.flat):
            if value == BAD:
                raise invalid(f"row {row} is bad")
        answer = {
            "scaled": x * FACTORS[signature],
            "sum": x.sum(axis=tuple(range(1, x.ndim))),
            "total": np.asarray(x.sum()),
            "rows": np.full(x.shape[:1], len(x) if x.ndim else 0),
        }
        return {name: answer[name] for name in outputs}

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


BAD = -1.0
FACTORS = {"double": 2.0, "triple": 3.0}


@contextmanager
def batching(run: Callable, **parameters: object) -> Iterator[Batcher]:
    batcher = Batcher(run, BatchingParameters(**parameters))
    try:
        yield batcher
    finally:
        batcher.close()


def rows(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float64)}


@contextmanager
def together(*requests: tuple, **limits: object) -> Iterator[tuple[Batcher, Model, list[Future]]]:
    """Requests that came in, in this order, while the one thread was busy with one of `x` = 0."""
    model, came = Model(threading.Event()), []
    submit = BatchScheduler.submit

    def counted(scheduler: BatchScheduler, kind: object, task: object, size: int) -> None:
        submit(scheduler, kind, task, size)
        came.append(task)

    with (
        batching(model.run, num_batch_threads=1, **limits) as batcher,
        ThreadPoolExecutor(len(requests) + 1) as pool,
        patch.object(BatchScheduler, "submit", counted),
    ):
        try:
            pool.submit(batcher.run, "double", rows(0.0), ("scaled",))
            _until(lambda: len(model.batches) == 1)
            answers = []
            for number, request in enumerate(requests, start=2):
                answers.append(pool.submit(batcher.run, *request))
                _until(lambda wanted=number: len(came) == wanted)
        finally:
            model.gate.set()
        wait(answers, SECONDS)
        yield batcher, model, answers


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_what_comes_in_while_the_thread_is_busy_runs_together() -> None:
    requests = [("double", rows(i, i + 0.5), ("scaled", "sum")) for i in range(1, 5)]
    with together(*requests) as (_, model, answers):
        assert model.sizes == [1, 8]
        for i, answer in enumerate(answers, start=1):
            assert answer.result()["scaled"].tolist() == [2.0 * i, 2.0 * i + 1]
            assert answer.result()["sum"].tolist() == [i, i + 0.5]
            # A view would keep all of the batch in memory.
            assert answer.result()["sum"].base is None


def test_only_what_fits_together_goes_together() -> None:
    wide = {"x": np.ones((1, 3))}
    single = {"x": np.ones(1, np.float32)}
    requests = [
        ("double", rows(1), ("scaled", "sum")),
        ("double", rows(2), ("sum", "scaled")),  # the order of outputs does not matter
        ("double", rows(3), ("sum",)),
        ("triple", rows(4), ("scaled", "sum")),
        ("double", wide, ("scaled", "sum")),
        ("double", single, ("scaled", "sum")),
    ]
    with together(*requests) as (_, model, answers):
        assert sorted(model.sizes) == [1, 1, 1, 1, 1, 2]
        assert answers[3].result()["scaled"].tolist() == [12.0]
        assert answers[4].result()["scaled"].tolist() == [[2.0, 2.0, 2.0]]
        assert answers[5].result()["scaled"].dtype == np.float32
        assert set(answers[2].result()) == {"sum"}


def test_batches_are_filled_up_to_an_allowed_size() -> None:
    requests = [("double", rows(1, 2), ("scaled",)), ("double", rows(3), ("scaled",))]
    limits = {"max_batch_size": 8, "allowed_batch_sizes": (2, 8)}
    with together(*requests, **limits) as (_, model, answers):
        assert model.batches[0].tolist() == [0, 0]
        assert model.batches[1].tolist() == [1, 2, 3, 3, 3, 3, 3, 3]
        assert [answer.result()["scaled"].tolist() for answer in answers] == [[2, 4], [6]]


def test_inputs_of_other_sizes_are_filled_up_when_asked_for() -> None:
    high = {"x": np.array([[[1.0], [2.0]]])}
    wide = {"x": np.array([[[3.0, 4.0, 5.0]]])}
    empty = {"x": np.zeros((1, 0, 2))}
    requests = [("double", value, ("scaled",)) for value in (high, wide, empty)]
    with together(*requests, pad_variable_length_inputs=True) as (_, model, answers):
        filled = [[[1, 1, 1], [2, 1, 1]], [[3, 4, 5], [3, 3, 3]]]
        assert [batch.tolist() for batch in model.batches[1:]] == [filled, [[]]]
        assert answers[0].result()["scaled"].tolist() == [[[2, 2, 2], [4, 2, 2]]]


def test_an_output_that_is_not_one_row_a_row_is_computed_alone() -> None:
    requests = [("double", rows(i), ("scaled", "total")) for i in (1, 2, 3)]
    with together(*requests) as (batcher, model, answers):
        assert [answer.result()["total"].item() for answer in answers] == [1, 2, 3]
        assert sorted(model.sizes) == [1, 1, 1, 1, 3]
        # It is remembered: it waits for no thread any more, other outputs still do.
        model.ran_in.clear()
        assert batcher.run("double", rows(4), ("total", "scaled"))["total"] == 4
        assert batcher.run("double", rows(4), ("sum",))["sum"].tolist() == [4]
        assert [name == threading.current_thread().name for name in model.ran_in] == [True, False]


def test_what_has_no_common_0th_dimension_runs_by_itself() -> None:
    odd = [{"x": np.array(3.0)}, {"x": np.zeros((0, 2))}]
    odd += [{"x": np.ones(2), "more": more} for more in (np.ones(3), np.array(1.0))]
    for arrays in odd:
        with batching(Model().run, batch_timeout_micros=10**9) as batcher:
            answer = batcher.run("double", arrays, ("scaled",))
        np.testing.assert_array_equal(answer["scaled"], arrays["x"] * 2)


def test_the_time_in_the_queue_is_told() -> None:
    told: list[tuple[str, float]] = []
    parameters = BatchingParameters(batch_timeout_micros=20_000, thread_pool_name="pool")
    batcher = Batcher(Model().run, parameters, lambda name, seconds: told.append((name, seconds)))
    batcher.run("double", rows(1), ("scaled",))
    batcher.close()
    [(name, seconds)] = told
    assert name == "pool"
    assert 0.02 <= seconds < SECONDS


def test_no_one_waits_for_ever_when_a_batch_cannot_be_made() -> None:
    def broken() -> bool:
        raise KeyError("broken")

    with batching(Model().run) as batcher:
        with pytest.raises(KeyError):
            batcher.run("double", rows(1), ("scaled",), broken)
        assert batcher.run("double", rows(1), ("scaled",))["scaled"].tolist() == [2.0]


REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(sorted(FACTORS)),
        st.integers(1, 4),  # rows
        st.sampled_from([(), (1,), (2,), (2, 3)]),
        st.sampled_from([("scaled",), ("sum", "scaled"), ("scaled", "total")]),
        st.booleans(),  # whether it is bad
    ),
    min_size=1,
    max_size=24,
)
PARAMETERS = st.fixed_dictionaries(
    {
        "max_batch_size": st.integers(4, 10),
        "batch_timeout_micros": st.sampled_from([0, 0, 200, 2000]),
        "num_batch_threads": st.integers(1, 4),
        "max_enqueued_batches": st.just(100),
    }
)


@settings(max_examples=60, deadline=None)
@given(requests=REQUESTS, parameters=PARAMETERS, padded=st.booleans())
def test_batched_answers_are_the_single_ones(fault_of, requests, parameters, padded):
    if padded:
        parameters["allowed_batch_sizes"] = (2, parameters["max_batch_size"])
    model, single = Model(), Model()
    token = iter(range(1, 10**6))  # every number is sent once

    def arrays(size: int, shape: tuple[int, ...], bad: bool) -> dict[str, np.ndarray]:
        x = np.array([float(next(token)) for _ in range(size * int(np.prod(shape)))])
        if bad:
            x[-1] = BAD
        return {"x": x.reshape(size, *shape)}

    calls = [(name, arrays(size, shape, bad), only) for name, size, shape, only, bad in requests]
    with batching(model.run, **parameters) as batcher, ThreadPoolExecutor(len(calls)) as pool:
        answers = [pool.submit(batcher.run, *call) for call in calls]
        wait(answers, SECONDS)
    for call, answer, request in zip(calls, answers, requests, strict=True):
        if request[-1]:
            _, details = fault_of(answer.result)
            assert details == f"row {call[1]['x'].size - 1} is bad"
            continue
        expected = single.run(*call)
        assert set(answer.result()) == set(call[2])
        for name, value in expected.items():
            np.testing.assert_array_equal(answer.result()[name], value)
    if not padded and not any(bad or "total" in outputs for *_, outputs, bad in requests):
        ran = sorted(value for batch in model.batches for value in batch.flat)
        assert ran == sorted(value for call in calls for value in call[1]["x"].flat)
    assert max(model.sizes) <= parameters["max_batch_size"]
