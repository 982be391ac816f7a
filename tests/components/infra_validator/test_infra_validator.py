import re
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tfx.components.pusher.executor import Executor as Pusher
from tfx.types.standard_artifacts import Model

from components import features as f
from components import models
from components.export import answers
from components.infra_validator import InfraValidator, executor
from components.infra_validator.server_process import Server, running_server
from components.infra_validator.settings import InfraValidatorConfig
from serving.classes import Classes

PETS, SIGNS = Classes(("cat", "dog")), Classes(("negative", "positive"))


def _build(folder: Path, *, failing: str = "", noisy: bool = False) -> None:
    """A classifier by the length of the file; the outputs of `failing` cannot be computed."""
    module = tf.Module()
    module.gain = tf.Variable(1e-3)

    def answer(endpoint, encoded):
        dog = tf.cast(tf.strings.length(encoded), tf.float32) * module.gain
        if noisy:  # not random: TensorFlow's global seed, once set in this process, would repeat it
            dog += tf.cast(tf.math.floormod(1e3 * tf.timestamp(), 1.0), tf.float32)
        if endpoint == failing:  # out of range, but only when it runs
            dog = tf.gather(dog, tf.fill(tf.shape(dog), 1_000))
        return {
            "label": tf.where(dog > 0.5, "dog", "cat"),
            "probability": tf.maximum(dog, 1 - dog),
            "probabilities": tf.stack([1 - dog, dog], axis=1),
        }

    def classify(image_bytes):
        return answer("serving_default", image_bytes)

    def explain(image_bytes, class_index=tf.constant(-1)):  # noqa: B008 - a signature default
        return answer("grad_cam", image_bytes)

    def from_examples(examples):
        feature = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
        return answer("from_examples", tf.io.parse_example(examples, feature)["image/encoded"])

    pictures = tf.TensorSpec([None], tf.string, name="image_bytes")
    index = tf.TensorSpec([], tf.int32, name="class_index")
    examples = tf.TensorSpec([None], tf.string, name="examples")
    signatures = {
        "serving_default": tf.function(classify, input_signature=[pictures]),
        "grad_cam": tf.function(explain, input_signature=[pictures, index]),
        "from_examples": tf.function(from_examples, input_signature=[examples]),
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, write_examples: Callable) -> Any:
    drawn = [np.full((5, 7, 3), value, np.uint8) for value in range(0, 240, 40)]
    splits = {"test": [{"image/encoded": image} for image in drawn]}
    return write_examples(tmp_path_factory.mktemp("examples"), splits, PETS)


@pytest.fixture
def bless(images: Any, tmp_path: Path, make_artifact: Callable, run_step: Callable) -> Callable:
    """Runs the step on a model; returns the blessing artifact."""

    def run(build, examples=images, task="image_classification", **config):
        build(tmp_path / "model" / "Format-Serving")
        inputs = {"model": make_artifact(Model, tmp_path / "model"), "examples": examples}
        how = {"model_name": "pets", "task": task, "config": InfraValidatorConfig(**config)}
        return run_step(InfraValidator, tmp_path, inputs, **how)["blessing"]

    return run


@pytest.fixture
def server_in_this_process(monkeypatch: pytest.MonkeyPatch, start_here: Callable) -> None:
    """The same server over the same sockets, without the seconds a new process takes."""

    @contextmanager
    def server_here(model_name, base, deadline, *flags, **environment):
        yield Server(start_here({model_name: base}).target, "", None)

    monkeypatch.setattr(executor, "running_server", server_here)


def _pusher_accepts(blessing) -> bool:
    return Pusher().CheckBlessing({"infra_blessing": [blessing]})


def _reason(blessing) -> str:
    """The reason of a model that is not blessed, after checking what else belongs to it."""
    uri = Path(blessing.uri)
    assert sorted(path.name for path in uri.iterdir()) == ["INFRA_NOT_BLESSED", "reason.txt"]
    assert blessing.get_int_custom_property("blessed") == 0
    assert not _pusher_accepts(blessing)
    reason = (uri / "reason.txt").read_text()
    assert reason.count("\n") == 1
    return reason


def test_a_good_model_is_blessed(bless: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []

    @contextmanager
    def looked_at(*arguments, **environment):
        with running_server(*arguments, **environment) as server:
            files.append(Path(f"/proc/{server.process.pid}/maps").read_text())
            yield server

    monkeypatch.setattr(executor, "running_server", looked_at)
    blessing = bless(_build)
    assert "/tensorflow/" in files[0]
    assert "/pandas/" not in files[0], "a server has no use for Keras, which imports that"
    assert [path.name for path in Path(blessing.uri).iterdir()] == ["INFRA_BLESSED"]
    assert blessing.get_int_custom_property("blessed") == 1
    assert _pusher_accepts(blessing)


@pytest.mark.usefixtures("server_in_this_process")
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"failing": "grad_cam"}, "^endpoint grad_cam fails: INVALID_ARGUMENT"),
        ({"noisy": True}, "answers differ"),
    ],
)
def test_a_model_with_other_answers_is_not_blessed(bless: Callable, how: dict, words: str) -> None:
    assert re.search(words, _reason(bless(partial(_build, **how))))


def _corrupt(folder: Path) -> None:
    _build(folder)
    (folder / "saved_model.pb").write_bytes(b"no graph")


def test_a_corrupt_model_is_not_blessed(bless: Callable) -> None:
    reason = _reason(bless(_corrupt))
    assert reason.startswith("the server did not start: exit status 1: ")
    assert "does not load" in reason


def test_a_late_server_is_ended(bless: Callable) -> None:
    started = time.monotonic()
    reason = _reason(bless(_build, timeout_seconds=0.3))
    assert reason.startswith("timed out: the server did not start in time")
    assert time.monotonic() - started < 60


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory, write_examples: Callable) -> Any:
    rows = [{f.POINT_X: number / 2, f.POINT_Y: 1.0 - number} for number in range(6)]
    return write_examples(tmp_path_factory.mktemp("points"), {"test": rows}, SIGNS)


@pytest.mark.usefixtures("server_in_this_process")
def test_a_model_of_points_is_tried_with_points(bless, points, export_as, monkeypatch):
    def build(folder: Path) -> None:
        model = models.build("linear", None, 2)
        model.set_weights([np.array([[1.0], [-1.0]]), np.array([0.25])])
        export_as("points", models.spec("linear"), model, folder, *SIGNS.names)

    compared: dict[str, dict[str, np.ndarray]] = {}
    check = answers.check_answers

    def spy(endpoint, served, direct):
        compared[endpoint] = served
        check(endpoint, served, direct)

    monkeypatch.setattr(answers, "check_answers", spy)
    assert _pusher_accepts(bless(build, points, "points", images=5))
    assert set(compared) == {"serving_default", "from_examples"}
    expected = [number / 2 - (1.0 - number) + 0.25 for number in range(5)]
    for served in compared.values():
        np.testing.assert_allclose(served["score"], expected, atol=1e-6)


@pytest.mark.usefixtures("server_in_this_process")
def test_a_model_of_another_task_is_not_blessed(bless: Callable, points: Any) -> None:
    reason = _reason(bless(_build, points, "points"))
    assert "the task needs the outputs score, found label" in reason


def test_an_empty_split_is_told(bless: Callable, tmp_path: Path, write_examples: Callable) -> None:
    nothing = write_examples(tmp_path / "examples", {"test": []}, PETS)
    assert _reason(bless(_build, nothing)).startswith("no Example in the test split")
