"""The second pipeline, the whole way once, and its pushed model behind the embedded server."""

import io
import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets.synth import synthesize

SETTINGS = {
    "trainer.image_size": "32",
    "trainer.epochs": "1",
    "evaluator.confidence_intervals": "false",
    "evaluator.thresholds": "{mean_iou: {min: 0.0}, pixel_accuracy: {min: 0.0, max_drop: 0.0}}",
    "evaluator.min_slice_size": "3",
    "infra_validator.images": "1",
    "interpreter.images": "2",
}


@pytest.fixture(scope="module")
def run(pawlens, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pets")
    synthesize(folder / "pictures", "masks", 60, seed=8, size=(60, 48))
    (folder / "pictures" / "images" / "broken_1.jpg").write_bytes(b"no picture")
    (folder / "pictures" / "annotations" / "trimaps" / "broken_1.png").write_bytes(b"no mask")
    sets = [word for item in SETTINGS.items() for word in ("--set", "=".join(item))]
    pawlens.call(
        *("run", "pets_segmentation", "--data", folder / "pictures"),
        *("--workdir", folder / "work", *sets),
    )
    return folder, json.loads((folder / "work" / "summary.json").read_text())


def test_counts_metrics_and_push(run):
    _, summary = run
    data = summary["data"]
    assert data["found"] == 61
    assert data["quarantined"] == {"not a picture": 1}
    assert data["accepted"] == sum(data["splits"].values()) == 60
    metrics = summary["metrics"]["test"]
    ious = [metrics[f"iou_{name}"] for name in ("foreground", "background", "contour")]
    assert metrics["mean_iou"] == pytest.approx(np.mean(ious))
    assert Path(summary["pushed"]["path"], "saved_model.pb").is_file()


@pytest.mark.slow
def test_pushed_model_segments_through_server_and_command(run, pawlens):
    folder, summary = run
    server = pawlens.start(
        "serve",
        "--model_name=pets_segmentation",
        f"--model_base_path={Path(summary['pushed']['path']).parent}",
        "--port=0",
    )
    try:
        served = re.compile(r"Serving .* on (\S+)\n")
        server.wait_for(lambda: served.search(server.output_so_far()) or server.ended())
        (target,) = served.findall(server.output_so_far())
        picture = folder / "pictures" / "images" / "Synthcat_0.jpg"
        output = folder / "masks"
        ended = pawlens.call("segment", picture, "--target", target, "--output", output, "--json")
        (answer,) = json.loads(ended.output)
        mask = np.asarray(Image.open(io.BytesIO(Path(answer["mask"]).read_bytes())))
        fractions = np.bincount(mask.ravel(), minlength=3) / mask.size
        assert mask.max() <= 2
        assert list(answer["class_fractions"].values()) == pytest.approx(fractions, abs=1e-6)
        os.kill(server.pid, signal.SIGTERM)
        assert server.end(30).status == 0
    finally:
        server.kill()
