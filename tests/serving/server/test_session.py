"""What a model's session shares between threads, and what it leaves behind."""

import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.server.session import ModelSession


@pytest.fixture
def session(saved_model: Path) -> ModelSession:
    return ModelSession(saved_model)


def _tensors(session: ModelSession, signature: str) -> tuple[dict[str, str], dict[str, str]]:
    """Tensor names of a signature's inputs and outputs."""
    found = session.signatures.signature_def[signature]
    return (
        {key: info.name for key, info in found.inputs.items()},
        {key: info.name for key, info in found.outputs.items()},
    )


class Watched:
    """A TensorFlow session, and how many runs of it were under way when each began."""

    def __init__(self, session: Any):
        self._session = session
        self._lock = threading.Lock()
        self.under_way = 0
        self.begun: list[int] = []

    def run(self, *arguments: Any) -> Any:
        with self._lock:
            self.begun.append(self.under_way)
            self.under_way += 1
        time.sleep(0.05)
        try:
            return self._session.run(*arguments)
        finally:
            with self._lock:
                self.under_way -= 1


def test_one_request_makes_the_plan_for_all(session: ModelSession, strings, gray_png) -> None:
    inputs, outputs = _tensors(session, "serving_default")
    watched = session._session = Watched(session._session)

    def ask(value: int) -> float:
        feeds = {inputs["image_bytes"]: strings(gray_png(value))}
        name = outputs["probabilities"]
        return float(session.run(feeds, [name])[name][0, 1])

    values = [0, 51, 102, 153]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, values))
    assert answers == pytest.approx([value / 255 for value in values])
    assert watched.begun[0] == 0
    assert watched.begun[1] == 0  # the second began when the first was done
    assert max(watched.begun) > 0  # the plan once made, they run side by side


def test_a_first_run_that_fails_holds_up_nobody(session: ModelSession, strings, gray_png) -> None:
    inputs, outputs = _tensors(session, "serving_default")
    names = [outputs["label"]]
    with pytest.raises(Exception, match="image"):
        session.run({inputs["image_bytes"]: strings(b"no picture")}, names)
    answer = session.run({inputs["image_bytes"]: strings(gray_png(255))}, names)
    assert answer[names[0]].tolist() == [b"dog"]


def test_a_long_first_run_does_not_hold_up_the_next_for_ever(
    session: ModelSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.server.session._PLAN_SECONDS", 0.05)
    inputs, outputs = _tensors(session, "slow")

    def run(steps: int) -> None:
        session.run({inputs["steps"]: np.array(steps, np.int32)}, [outputs["gain"]])

    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(run, 1_000_000)
        while not session._making:
            time.sleep(0.001)
        run(1)
        assert not long.done()
        long.cancel()
        session._session.close()  # ends what runs
        assert long.exception() is not None


def test_a_closed_session_leaves_no_graph_behind(session: ModelSession) -> None:
    inputs, outputs = _tensors(session, "numbers")
    feeds = {inputs["x"]: np.ones((1, 2), np.float32), inputs["n"]: np.array(1, np.int64)}
    session.run(feeds, [outputs["sum"]])
    graph = weakref.ref(session._graph)
    assert graph() is not None
    session.close()
    assert graph() is None
