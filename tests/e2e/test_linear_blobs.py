"""The third pipeline, the whole way as the command does it, and its pushed model answering."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from serving import names


def test_counts_metrics_and_push(blobs_run, bad_rows):
    _, summary = blobs_run
    data = summary["data"]
    assert data["found"] == 605
    reasons = dict.fromkeys(bad_rows.values(), 1)
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


def test_the_pushed_model_tells_the_clouds_apart(blobs_run):
    model = tf.saved_model.load(blobs_run[1]["pushed"]["path"])
    clouds = np.array([[0.0, 3.0], [3.0, 0.0]], np.float32)
    answer = model.signatures[names.SIGNATURE_SERVING](points=tf.constant(clouds))
    assert answer[names.OUTPUT_LABEL].numpy().tolist() == [b"negative", b"positive"]
    np.testing.assert_allclose(answer[names.OUTPUT_SCORE].numpy(), [0, 1], atol=0.25)
