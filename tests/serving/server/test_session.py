"""What a model's session shares between threads, and what it leaves behind."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.server.options import DEFAULTS
from serving.server.session import ModelSession, session_config


@pytest.fixture
def session(saved_model: Path) -> ModelSession:
    return ModelSession(saved_model)


@pytest.fixture
def ask(session: ModelSession) -> Callable[..., Any]:
    """One output of a signature, by name."""

    def run(signature: str, output: str, **inputs: Any) -> Any:
        found = session.signatures.signature_def[signature]
        tensor = found.outputs[output].name
        feeds = {found.inputs[name].name: value for name, value in inputs.items()}
        return session.run(feeds, [tensor])[tensor]

    return run


def test_one_request_makes_the_plan_for_all(ask, runs, gray) -> None:
    def dog(value: int) -> float:
        images = np.array([gray(value)], object)
        return float(ask("serving_default", "probabilities", image_bytes=images)[0, 1])

    values = [0, 51, 102, 153]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(dog, values))
    assert answers == pytest.approx([value / 255 for value in values])
    assert len(runs.plans) == 1
    assert max(runs.begun) > 0  # the plan once made, they run side by side


def test_a_first_run_that_fails_holds_up_nobody(ask, gray) -> None:
    with pytest.raises(Exception, match="image"):
        ask("serving_default", "label", image_bytes=np.array([b"no image"], object))
    answer = ask("serving_default", "label", image_bytes=np.array([gray(255)], object))
    assert answer.tolist() == [b"dog"]


def test_a_long_first_run_does_not_hold_up_the_next_for_ever(session, ask, runs) -> None:
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(ask, "slow", "gain", steps=np.array(1_000_000, np.int32))
        while not runs.begun:
            time.sleep(0.001)
        ask("slow", "gain", steps=np.array(1, np.int32))
        assert not long.done()
        session.close()  # ends what runs
        assert long.exception() is not None


def test_a_closed_session_leaves_no_graph_behind(session, ask, runs) -> None:
    ask("numbers", "sum", x=np.ones((1, 2), np.float32), n=np.array(1, np.int64))
    (graph,) = runs.graphs
    assert graph() is not None
    session.close()
    assert graph() is None


def test_flags_of_the_session(saved_model, tmp_path) -> None:
    path = tmp_path / "session.config"
    path.write_text("inter_op_parallelism_threads: 7 operation_timeout_in_ms: 60000")
    flags = {"tensorflow_session_config_file": str(path), "tensorflow_intra_op_parallelism": 1}
    config = session_config(replace(DEFAULTS, **flags))
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (1, 7)
    assert config.operation_timeout_in_ms == 60000
    flags = {"tensorflow_session_parallelism": 3, "per_process_gpu_memory_fraction": 0.5}
    config = session_config(replace(DEFAULTS, **flags))
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (3, 3)
    assert config.gpu_options.per_process_gpu_memory_fraction == 0.5
    with pytest.raises(RuntimeError, match="tags"):
        ModelSession(saved_model, replace(DEFAULTS, saved_model_tags="serve,tpu"))
