"""Runs on a small server that holds every request against KFP's API."""

import os
import signal
import time

import pytest
import urllib3

from pipelines.kubeflow.client.options import Access, Patience, Wish
from pipelines.kubeflow.client.submit import run_submit
from serving.errors import FailedError, InputError

QUICK = Patience(poll_seconds=0.02)


def task(name, state, **more):
    return {"task_id": name, "display_name": name, "state": state} | more


def native(name, state, **more):
    """Of a server without ML Metadata."""
    return {"task_id": f"id-{name}", "name": name, "state": state} | more


def look(state, *tasks):
    return {"state": state, "tasks": list(tasks)}


@pytest.fixture
def go(peer, package, source_of):
    def submit(wish=None, patience=QUICK, package=package, **access):
        access = Access(**{"host": peer.host, "patience_seconds": 2.0} | access)
        return run_submit(source_of(package), access, wish or Wish(), patience)

    return submit


def test_a_run_is_made_with_all_that_it_needs(peer, go, capsys, package):
    wish = Wish("tries", ["epochs=5", "data=/d"], "s3://b/root", "trainer-account")
    assert go(wish) == 0
    (run,) = peer.runs.values()
    (version,) = peer.versions.values()
    (experiment,) = peer.experiments.values()
    (pipeline,) = peer.pipelines.values()
    assert pipeline["display_name"] == "tiny"
    assert experiment["display_name"] == "tries"
    assert peer.contents[version["pipeline_version_id"]] == package.to_yaml()
    assert run["experiment_id"] == experiment["experiment_id"]
    assert run["pipeline_version_reference"] == {
        "pipeline_id": pipeline["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert run["runtime_config"] == {
        "parameters": {"epochs": 5, "data": "/d"},
        "pipeline_root": "s3://b/root",
    }
    assert run["service_account"] == "trainer-account"
    assert f"{peer.host}/#/runs/details/{run['run_id']}" in capsys.readouterr().out


def test_a_compiled_root_is_told_as_the_server_passes_over_it(peer, go, package):
    package.spec["defaultPipelineRoot"] = "gs://b/compiled"
    go()
    go(Wish(pipeline_root="gs://b/asked"))
    roots = [run["runtime_config"]["pipeline_root"] for run in peer.runs.values()]
    assert roots == ["gs://b/compiled", "gs://b/asked"]


def test_the_same_content_is_uploaded_once(peer, go, capsys, other_package):
    go()
    go()
    assert (peer.count("upload_pipeline_version"), len(peer.runs)) == (1, 2)
    assert "as uploaded before" in capsys.readouterr().out
    go(package=other_package)
    assert (len(peer.versions), len(peer.pipelines), len(peer.experiments)) == (2, 1, 1)


def test_content_is_found_among_many_pages(peer, go, package):
    go()
    (wanted,) = peer.versions.values()
    for number in range(7):
        other = {"display_name": f"v{number}", "pipeline_id": wanted["pipeline_id"]}
        peer.add(peer.versions, "pipeline_version_id", other)
    for name in ("a", "b", "c"):
        peer.add(peer.experiments, "experiment_id", {"display_name": name})
    go()
    assert peer.count("upload_pipeline_version") == 1
    assert len(peer.experiments) == 4


def test_wrong_parameters_leave_the_server_as_it_was(peer, go):
    with pytest.raises(InputError, match=r"--param: expected .* found 'epoch'; did you mean 'epoc"):
        go(Wish(parameters=["epoch=5"]))
    assert not peer.pipelines
    assert not peer.experiments


DRIVEN, RUNNING = task("example-gen-driver", "RUNNING"), task("example-gen", "RUNNING")
START, END = "2026-01-01T00:00:00Z", "2026-01-01T00:01:05.123456789Z"
DONE = task("example-gen", "SUCCEEDED", start_time=START, end_time=END)
CACHED = native("example-gen", "CACHED", create_time=START, end_time=END)
LAST = look("SUCCEEDED", DONE, task("trainer", "SUCCEEDED"))
NATIVE = look("RUNNING", native("root", "RUNNING"), native("example-gen", "RUNNING"))
NATIVE_LAST = look("SUCCEEDED", CACHED, native("trainer", "RUNNING"))


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        (
            [{"state": "PENDING"}, look("RUNNING", DRIVEN), look("RUNNING", RUNNING), LAST],
            ["succeeded, 65 s", "trainer succeeded"],
        ),
        ([NATIVE, NATIVE_LAST], ["cached, 65 s", "trainer unknown"]),
    ],
)
def test_progress_is_a_line_a_change(peer, go, capsys, looks, expected):
    peer.script = looks
    assert go() == 0
    lines = [" ".join(x.split()) for x in capsys.readouterr().out.splitlines() if x[0] == " "]
    assert lines == ["example-gen running", f"example-gen {expected[0]}", expected[1]]


OUTSIDE = "artifact URI 's3://b/r' is outside the configured pipeline root"
ABOVE = task("trainer", "FAILED", child_tasks=[{"pod_name": "pod-7"}])
BELOW = task("executor", "FAILED", pod_name="pod-7", error={"message": "out\nof luck"})
DRIVER = task("trainer-driver", "FAILED", error={"message": "no such image"})
TOLD = native("trainer", "FAILED", status_metadata={"message": OUTSIDE})
LOST = native("trainer", "RUNNING", lifecycle_message="ImagePullBackOff")


@pytest.mark.parametrize(
    ("state", "tasks", "words"),
    [
        ("FAILED", [DONE, ABOVE, BELOW], "failed at trainer: out of luck"),
        ("FAILED", [DRIVER], "failed at trainer: no such image"),
        ("FAILED", [native("example-gen", "RUNNING"), TOLD], f"failed at trainer: {OUTSIDE}"),
        ("FAILED", [LOST], "failed, and nobody told the end of trainer: ImagePullBackOff"),
        ("CANCELED", [LOST], "was cancelled"),
    ],
)
def test_a_failed_run_tells_step_message_and_link(peer, go, state, tasks, words):
    peer.script = [{"state": "RUNNING"}, look(state, *tasks)]
    with pytest.raises(FailedError) as error:
        go()
    (run,) = peer.runs.values()
    link = f"{peer.host}/#/runs/details/{run['run_id']}"
    assert str(error.value) == f"run {run['display_name']} {words}; see {link}"


def test_no_wait_does_not_look(peer, go):
    assert go(patience=Patience(wait=False)) == 0
    assert peer.count("get_run") == 0


def test_after_the_timeout_the_run_goes_on(peer, go):
    peer.script = [{"state": "RUNNING"}]
    start = time.monotonic()
    with pytest.raises(FailedError, match=r"goes on, .*: still running after 0.3 s"):
        go(patience=Patience(poll_seconds=0.05, wait_seconds=0.3))
    assert time.monotonic() - start < 5
    assert peer.count("terminate_run") == 0


@pytest.mark.parametrize("status", [500, 503, -500])
def test_failures_that_pass_are_waited_out_and_nothing_is_made_twice(peer, go, status):
    made = (
        "pipeline_service_create_pipeline",
        "experiment_service_create_experiment",
        "run_service_create_run",
    )
    passing = ("pipeline_service_list_pipelines", "upload_pipeline_version", "run_service_get_run")
    peer.fail = {operation: [status] for operation in made}
    peer.fail |= {operation: [abs(status)] for operation in passing}
    assert go() == 0
    stores = (peer.runs, peer.experiments, peer.versions, peer.pipelines)
    assert [len(store) for store in stores] == [1, 1, 1, 1]
    # What a server kept of an upload that failed half-way is in no list, but its name stays taken.
    names = [query["name"] for name, query, _ in peer.asked if name == "upload_pipeline_version"]
    assert len(set(names)) == len(names) == 2
    # What was made before the failure is found.
    assert [peer.count(operation) for operation in made] == [1 if status < 0 else 2] * 3


def test_an_upload_whose_answer_was_lost_is_used(peer, go):
    peer.fail = {"upload_pipeline_version": [-500]}
    assert go() == 0
    assert (peer.count("upload_pipeline_version"), len(peer.versions)) == (1, 1)


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (500, FailedError, "failed: 500 told to fail"),
        (400, InputError, "refuses that: found 400 told to fail"),
    ],
)
def test_an_upload_that_keeps_failing_is_given_up(peer, go, status, kind, told):
    peer.fail = {"upload_pipeline_version": [status] * 20}
    with pytest.raises(kind, match=told):
        go(patience_seconds=1.0)
    assert (peer.count("upload_pipeline_version") > 1) == (status == 500)
    assert not (peer.versions or peer.runs)


# A job in the background ignores Ctrl-C, and what it starts does too; here as in a terminal.
SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
import yaml
from pipelines.kubeflow.client import resources, submit
from pipelines.kubeflow.client.options import Access, Patience, Source, Wish
from pipelines.kubeflow.compiler import Compiled
package = Compiled("tiny", *yaml.safe_load_all(Path(sys.argv[2]).read_text()))
resources.compile_config = lambda config, console: package
source, access = Source("linear_blobs"), Access(host=sys.argv[1])
sys.exit(submit.run_submit(source, access, Wish(), Patience(poll_seconds=0.1)))
"""


def test_ctrl_c_leaves_the_run_alone(zygote, peer, package, tmp_path):
    peer.script = [{"state": "RUNNING"}]
    program, file = tmp_path / "submit.py", tmp_path / "tiny.yaml"
    program.write_text(SCRIPT)
    file.write_text(package.to_yaml())
    running = zygote.start(program, peer.host, file, apart=True)
    running.wait_for(lambda: peer.count("get_run") >= 3 or running.ended(), 60)
    os.kill(running.pid, signal.SIGINT)
    ended = running.end(30)
    (run,) = peer.runs.values()
    assert (ended.status, ended.errors) == (130, "")
    assert ended.output.splitlines()[-1] == f"left alone; run {run['display_name']} goes on"
    assert peer.count("terminate_run") == 0


def test_the_servers_check_refuses_what_kfp_does_not_know(peer):
    url = f"{peer.host}/apis/v2beta1"
    for body in ({"display_name": "a", "colour": "red"}, {"display_name": 5}):
        assert urllib3.request("POST", f"{url}/experiments", json=body).status == 400
    assert urllib3.request("GET", f"{url}/runs?colour=red").status == 400
    assert urllib3.request("GET", f"{url}/run").status == 404
