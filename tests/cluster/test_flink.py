"""Beam's steps on Flink make what one machine makes, also when a task manager is killed."""

import json
from collections import Counter

import pytest
from beam_flink import Flink
from kubectl import ROOT, wait_until

from components.datasets.examples import read_examples

CLI = ROOT / "pipelines" / "cli.py"


@pytest.fixture
def flink(tmp_path):
    with Flink(tmp_path / "flink") as running:
        yield running


def _made(workdir):
    """Examples and means by split, and figures of the model."""
    import tensorflow_data_validation as tfdv  # which needs the stand-in of our packages first

    [examples] = workdir.glob("artifacts/example_gen/examples/*")
    [statistics] = workdir.glob("artifacts/statistics_gen/statistics/*")
    for split in ("train", "eval", "test"):
        found = read_examples(str(examples / f"Split-{split}"))
        yield Counter(one.SerializeToString(deterministic=True) for one in found)
    for file in sorted(statistics.glob("*/FeatureStats.pb")):
        [dataset] = tfdv.load_stats_binary(str(file)).datasets
        yield {str(one.path): one.num_stats.mean for one in dataset.features}
    yield json.loads((workdir / "summary.json").read_text())["metrics"]["test"]


def test_a_killed_task_manager_costs_a_retry_and_changes_nothing(
    flink, zygote, other_tests, tmp_path
):
    points, here, there = (tmp_path / name for name in ("points", "here", "there"))
    zygote.call(CLI, "data", "synth", points, "--layout", "points", "--count", 600)
    run = ["run", "linear_blobs", "--data", points, "--workdir"]
    zygote.call(CLI, *run, here)
    options = json.dumps(other_tests("k8s/test_flink.py").documented_options())
    options = options.replace("flink-jobserver", "localhost").replace("lelism=4", "lelism=2")
    running = zygote.start(CLI, *run, there, "--set", f"beam.args={options}")
    wait_until(lambda: "Starting worker" in flink.log("pool"), 300, "a worker")
    [job] = flink.ask("jobs")["jobs"]
    flink.kill_task_manager()
    assert flink.ask(f"jobs/{job['id']}")["state"] in ("RUNNING", "RESTARTING")
    flink.start_task_manager()
    running.end(900, status=0)
    assert flink.ask(f"jobs/{job['id']}")["state"] == "FINISHED"
    assert flink.ask(f"jobs/{job['id']}/exceptions")["exceptionHistory"]["entries"]
    jobs = [one["status"] for one in flink.ask("jobs")["jobs"]]
    assert jobs == ["FINISHED"] * 3  # the steps that run on Beam
    for found, expected in zip(_made(there), _made(here), strict=True):
        assert found == pytest.approx(expected)
