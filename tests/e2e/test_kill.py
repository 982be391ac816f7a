"""SIGKILL at every step: the next run goes on, ends the same and pushes exactly one version."""

import json
import time

import pytest

from pipelines.records import Execution, open_store

# In the order they run. What a step does when it is killed does not depend on what it works on, so
# that points, which are quick, stand for images.
STEPS = [
    "example_gen",
    "statistics_gen",
    "data_validation",
    "trainer",
    "baseline",
    "infra_validator",
    "evaluator",
    "interpreter",
]


@pytest.mark.slow
def test_killed_at_every_step_and_after_the_rename(pawlens, blobs_run, points, tmp_path):
    workdir = tmp_path / "killed"
    arguments = ["run", "linear_blobs", "--data", points, "--workdir", workdir]
    pushed = workdir / "serving" / "linear_blobs"

    def states() -> set[int]:
        executions = open_store(workdir / "metadata.sqlite").get_executions()
        return {execution.last_known_state for execution in executions}

    def versions() -> list[int]:
        return [int(path.name) for path in pushed.glob("*") if path.name.isdigit()]

    for step in STEPS:
        running = pawlens.start(*arguments)
        running.wait_for_line(f"{step} ...")
        time.sleep(0.2)  # into the step, for those that take a while
        if step == "statistics_gen":
            running.wait_for(lambda: Execution.RUNNING in states())
        assert running.kill().status == -9
    # Between the rename that makes the version visible and the entry in the metadata.
    running = pawlens.start(*arguments)
    running.wait_for(versions, rest=0)
    running.kill()
    assert len(versions()) == 1

    pawlens.call(*arguments)
    summary, undisturbed = json.loads((workdir / "summary.json").read_text()), blobs_run[1]
    assert versions() == [summary["served"]["version"]]
    # Threads that sum in another order may change the last digit.
    found, expected = (s["metrics"]["test"] for s in (summary, undisturbed))
    assert found == {k: v if v is None else pytest.approx(v, rel=1e-5) for k, v in expected.items()}
    assert summary["data"] == undisturbed["data"]
    assert summary["blessed"] == undisturbed["blessed"]
    # What was killed is marked as failed.
    assert Execution.FAILED in states()
    assert Execution.RUNNING not in states()
