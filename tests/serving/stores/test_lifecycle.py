"""Servers as processes through their lives: reload, broken versions, switches, graceful ends."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from serving.client import ImageClient
from serving.names import ASSETS_EXTRA, WARMUP_FILE
from serving.results import ServingError

MODEL_NAME = "cats_vs_dogs"
# A second or two of work in the small model's signature `slow`.
STEPS = 20_000


def _push(source: Path, base: Path, version: int) -> None:
    shutil.copytree(source, base / "incoming")
    (base / "incoming").rename(base / str(version))


def test_a_stop_does_not_wait_for_ever(base, start_server) -> None:
    server = start_server(base, "--shutdown_grace_seconds=0.5")
    with ThreadPoolExecutor() as pool:
        request = pool.submit(_gain, server.target, steps=2**31 - 1)
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 15
        with pytest.raises(ServingError):
            request.result()
    assert "cut off" in server.output()


def _config(path: Path, models: dict[str, Path], **labels: int) -> None:
    """A file that changes at once, with all versions of each model; labels are the first's."""
    parts = []
    for index, (name, base) in enumerate(models.items()):
        texts = [f'version_labels {{ key: "{key}" value: {labels[key]} }}' for key in labels]
        parts.append(
            f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow"'
            f" model_version_policy {{ all {{}} }} {' '.join(texts) if index == 0 else ''} }}"
        )
    new = path.with_name("new.config")
    new.write_text(f"model_config_list {{ {' '.join(parts)} }}")
    new.rename(path)


@contextmanager
def _loads(*asks: Callable[[], float]) -> Iterator[list[Future[set[float]]]]:
    """Asks over and over; every answer counts, and the first failure ends it."""
    end = threading.Event()

    def run(ask: Callable[[], float]) -> set[float]:
        answers = set()
        while not end.is_set():
            answers.add(ask())
        return answers

    with ThreadPoolExecutor() as pool:
        try:
            yield [pool.submit(run, ask) for ask in asks]
        finally:
            end.set()


def _record_slow_warm_up(folder: Path) -> None:
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = "slow"
    request.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.array(20_000, np.int32)))
    (folder / ASSETS_EXTRA).mkdir()
    with tf.io.TFRecordWriter(str(folder / ASSETS_EXTRA / WARMUP_FILE)) as writer:
        writer.write(log.SerializeToString())


def test_life_with_a_config_file(saved_model, build_model, start_server, tmp_path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    _push(saved_model, one, 1)
    build_model(tmp_path / "half", 0.5)
    _push(tmp_path / "half", two, 7)
    _record_slow_warm_up(two / "7")
    config = tmp_path / "models.config"
    _config(config, {MODEL_NAME: one})
    server = start_server(
        one,
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=0.1",
        "--file_system_poll_wait_seconds=0.1",
        "--rest_api_port=-1",
    )
    try:
        _live(server, config, one, two, tmp_path / "half")
    finally:
        server.stop()
    assert "Traceback" not in server.output()


def _live(server, config: Path, one: Path, two: Path, half: Path) -> None:
    rest = f"{server.rest}/v1/models"

    over_grpc = partial(_gain, server.target)

    def over_rest(path: str = MODEL_NAME, steps: int = 1) -> float:
        body = {"signature_name": "slow", "inputs": {"steps": steps}}
        answer = httpx.post(f"{rest}/{path}:predict", json=body, timeout=60)
        return float(answer.raise_for_status().json()["outputs"])

    assert (over_grpc(), over_rest()) == (1.0, 1.0)
    with _loads(over_grpc, over_grpc, over_rest) as loads:
        # Versions come and go, labels move, a model is added while another answers.
        _push(half, one, 2)
        server.wait_for(lambda: over_grpc() == 0.5)
        _config(config, {MODEL_NAME: one}, stable=1, canary=2)
        server.wait_for(lambda: _answers(over_rest, f"{MODEL_NAME}/labels/canary"))
        assert over_grpc(label="stable") == 1.0
        assert over_rest(f"{MODEL_NAME}/labels/canary") == 0.5
        _config(config, {MODEL_NAME: one, "other": two}, stable=1)
        server.wait_for(lambda: _answers(over_rest, "other"))
        assert over_grpc("other", version=7) == 0.5
        assert not _answers(over_rest, f"{MODEL_NAME}/labels/canary")
        # A wrong file changes nothing.
        _config(config, {MODEL_NAME: one, "third": one / "absent"})
        server.wait_for(lambda: "third" in server.output())
        assert over_rest("other") == 0.5
        assert over_grpc(label="stable") == 1.0
    assert [load.result() for load in loads] == [{1.0, 0.5}] * 3

    # A stop lets what runs finish, over both, and takes no more.
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(ask, steps=STEPS) for ask in (over_grpc, over_rest)]
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 25
        assert [one.result() for one in slow] == [0.5, 0.5]
    assert not _answers(over_rest, MODEL_NAME)


def _gain(target: str, name: str = MODEL_NAME, steps: int = 1, **which: object) -> float:
    with ImageClient(target, name, timeout_seconds=60, attempts=1, **which) as client:
        return float(client.call("slow", {"steps": np.array(steps, np.int32)})["gain"])


def _answers(ask: Callable[[str], float], path: str) -> bool:
    try:
        ask(path)
    except httpx.HTTPError:
        return False
    return True
