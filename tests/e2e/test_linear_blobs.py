"""The third pipeline, the whole way as the command does it, and its pushed model answering."""

import json
from pathlib import Path

import numpy as np
import pytest

from components import features as f

BAD_ROWS = {
    "nan,1,negative": "not a number",
    "1,inf,negative": "not finite",
    "1,2": "missing column",
    "1,2,neutral": "unknown label",
}


@pytest.fixture(scope="module")
def run(pawlens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("blobs")
    data = folder / "points"
    ended = pawlens.call("data", "synth", data, "--layout", "blobs", "--count", 600)
    assert ended.status == 0, ended.output
    assert ended.output == f"600 points in {data}\n"
    path = data / "points.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *BAD_ROWS, lines[1]]) + "\n")
    arguments = ["run", "linear_blobs", "--data", data, "--workdir", folder / "work"]
    ended = pawlens.call(*arguments)
    assert ended.status == 0, ended.output
    return arguments, json.loads((folder / "work" / "summary.json").read_text())


def test_counts_metrics_and_push(run):
    _, summary = run
    data = summary["data"]
    assert data["found"] == 605
    reasons = dict.fromkeys(BAD_ROWS.values(), 1)
    assert data["quarantined"] == {**reasons, "duplicate": 1}
    assert data["accepted"] == sum(data["splits"].values()) == 600
    metrics = summary["metrics"]["test"]
    assert metrics["accuracy"] >= 0.95
    assert metrics["auc"] >= 0.99
    assert 0 < metrics["squared_error"] < 0.06
    assert summary["blessed"] is True
    page = Path(summary["report"]).read_text()
    assert "Points with linear, 3 parameters" in page
    assert "the line where the score is 0.5" in page


def test_the_pushed_model_tells_the_clouds_apart(run):
    import tensorflow as tf

    model = tf.saved_model.load(run[1]["pushed"]["path"])
    clouds = np.array([[0.0, 3.0], [3.0, 0.0]], np.float32)
    answer = model.signatures[f.SIGNATURE_SERVING](points=tf.constant(clouds))
    assert answer[f.OUTPUT_LABEL].numpy().tolist() == [b"negative", b"positive"]
    np.testing.assert_allclose(answer[f.OUTPUT_SCORE].numpy(), [0, 1], atol=0.25)


@pytest.mark.slow
def test_the_other_training_step_gives_the_same_figures(run, pawlens):
    """Keras's own step does the same arithmetic."""
    arguments, first = run
    ended = pawlens.call(*arguments, "--set", "trainer.training_step=fit")
    assert ended.status == 0, ended.output
    summary = json.loads((Path(first["report"]).parent / "summary.json").read_text())
    ran = {name for name, step in summary["steps"].items() if not step["cached"]}
    assert {"trainer", "evaluator"} <= ran
    assert "example_gen" not in ran
    assert summary["blessed"] is True
    for name, value in first["metrics"]["test"].items():
        assert summary["metrics"]["test"][name] == pytest.approx(value, abs=1e-4)
