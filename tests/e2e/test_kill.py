"""SIGKILL at every step: the next run goes on, ends the same and pushes exactly one version."""

import json
import time

import pytest

# In the order they run; what a step does when it is killed does not depend on what it works on, so
# that points, which are quick, stand for images.
STEPS = [
    "example_gen",
    "statistics_gen",
    "data_validation",
    "baseline",
    "infra_validator",
    "evaluator",
    "interpreter",
]


def serving_versions(workdir, model):
    return sorted(int(p.name) for p in (workdir / "serving" / model).iterdir() if p.name.isdigit())


def killed_in(pawlens, arguments, steps) -> None:
    for step in steps:
        running = pawlens.start(*arguments)
        running.wait_for_line(f"{step} ...")
        time.sleep(0.2)  # into the step, for those that take a while
        assert running.kill().status == -9


def assert_ends_as(undisturbed, pawlens, arguments, workdir, model) -> None:
    ended = pawlens.call(*arguments)
    assert ended.status == 0, ended.output
    summary = json.loads((workdir / "summary.json").read_text())
    assert serving_versions(workdir, model) == [summary["served"]["version"]]
    # Threads that sum in another order may change the last digit.
    found, expected = (s["metrics"]["test"] for s in (summary, undisturbed))
    assert found == {k: v if v is None else pytest.approx(v, rel=1e-5) for k, v in expected.items()}
    assert summary["data"] == undisturbed["data"]
    assert summary["blessed"] == undisturbed["blessed"]


def test_killed_at_every_step(pawlens, blobs_run, points, tmp_path):
    workdir = tmp_path / "killed"
    arguments = ["run", "linear_blobs", "--data", points, "--workdir", workdir]
    killed_in(pawlens, arguments, STEPS)
    assert_ends_as(blobs_run[1], pawlens, arguments, workdir, "linear_blobs")


@pytest.mark.slow
def test_killed_in_training_and_after_the_rename(
    pawlens, finished, pictures, run_arguments, tmp_path
):
    workdir = tmp_path / "killed"
    arguments = run_arguments(pictures, workdir)
    killed_in(pawlens, arguments, ["trainer"])
    # Between the rename that makes the version visible and the entry in the metadata.
    running = pawlens.start(*arguments)
    folder = workdir / "serving" / "cats_vs_dogs"
    running.wait_for(
        lambda: folder.exists() and any(p.name.isdigit() for p in folder.iterdir()), rest=0
    )
    running.kill()
    assert len(serving_versions(workdir, "cats_vs_dogs")) == 1
    assert_ends_as(finished[1], pawlens, arguments, workdir, "cats_vs_dogs")


def test_one_run_per_work_directory_and_what_a_killed_one_left_is_marked_failed(
    pawlens, points, tmp_path
):
    from ml_metadata.proto.metadata_store_pb2 import Execution

    from pipelines.records import open_store

    def states() -> set[int]:
        store = open_store(tmp_path / "work" / "metadata.sqlite")
        return {execution.last_known_state for execution in store.get_executions()}

    arguments = ["run", "linear_blobs", "--data", points, "--workdir", tmp_path / "work"]
    running = pawlens.start(*arguments)
    running.wait_for_line("statistics_gen ...")
    second = pawlens.call(*arguments)
    assert second.status == 2
    assert second.output.count("\n") == 1
    assert f"process {running.pid} running there" in second.output
    running.wait_for(lambda: Execution.RUNNING in states())
    running.kill()

    running = pawlens.start(*arguments)
    running.wait_for(lambda: Execution.FAILED in states())
    running.kill()
