"""Runs on a small server that holds every request against KFP's API."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.kubeflow.client.options import Access, Patience, Wish
from pipelines.kubeflow.client.source import plain_console
from pipelines.kubeflow.client.submit import submit_package
from serving.errors import FailedError, InputError

QUICK = Patience(poll_seconds=0.02)


def task(name, state, **more):
    return {"task_id": name, "display_name": name, "state": state} | more


@pytest.fixture
def told():
    return io.StringIO()


@pytest.fixture
def go(peer, package, told):
    def submit(wish=None, patience=QUICK, package=package, **access):
        access = Access(**{"host": peer.host, "patience_seconds": 2.0} | access)
        console = plain_console(told)
        return submit_package(lambda: package, access, wish or Wish(), patience, console)

    return submit


def test_a_run_is_made_with_all_that_it_needs(peer, go, told, package):
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
    assert f"{peer.host}/#/runs/details/{run['run_id']}" in told.getvalue()


def test_the_same_content_is_uploaded_once(peer, go, told, other_package):
    go()
    go()
    assert (peer.count("upload_pipeline_version"), len(peer.runs)) == (1, 2)
    assert "as uploaded before" in told.getvalue()
    go(package=other_package)
    assert (len(peer.versions), len(peer.pipelines), len(peer.experiments)) == (2, 1, 1)


def test_content_is_found_among_many_pages(peer, go, package):
    go()
    (wanted,) = peer.versions.values()
    for number in range(7):
        peer.add(
            peer.versions,
            "pipeline_version_id",
            {"display_name": f"v{number}", "description": ""},
            pipeline_id=wanted["pipeline_id"],
        )
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


def test_progress_is_a_line_a_change(peer, go, told):
    peer.script = [
        {"state": "PENDING"},
        {
            "state": "RUNNING",
            "run_details": {"task_details": [task("example-gen-driver", "RUNNING")]},
        },
        {"state": "RUNNING", "run_details": {"task_details": [task("example-gen", "RUNNING")]}},
        {
            "state": "SUCCEEDED",
            "run_details": {
                "task_details": [
                    task(
                        "example-gen",
                        "SUCCEEDED",
                        start_time="2026-01-01T00:00:00Z",
                        end_time="2026-01-01T00:01:05Z",
                    ),
                    task("trainer", "SUCCEEDED"),
                ]
            },
        },
    ]
    assert go() == 0
    steps = [line.split(maxsplit=1) for line in told.getvalue().splitlines() if line[0] == " "]
    assert steps == [
        ["example-gen", "running"],
        ["example-gen", "succeeded, 65 s"],
        ["trainer", "succeeded"],
    ]


@pytest.mark.parametrize(
    ("state", "tasks", "words"),
    [
        (
            "FAILED",
            [
                task("example-gen", "SUCCEEDED"),
                task("trainer", "FAILED", child_tasks=[{"pod_name": "pod-7"}]),
                task("executor", "FAILED", pod_name="pod-7", error={"message": "out\nof luck"}),
            ],
            "failed at trainer: out of luck",
        ),
        (
            "FAILED",
            [task("trainer-driver", "FAILED", error={"message": "no such image"})],
            "failed at trainer: no such image",
        ),
        ("CANCELED", [], "was cancelled"),
    ],
)
def test_a_failed_run_tells_step_message_and_link(peer, go, state, tasks, words):
    ended = {"state": state, "run_details": {"task_details": tasks}}
    peer.script = [{"state": "RUNNING"}, ended]
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
    # What was made before the failure is found.
    assert [peer.count(operation) for operation in made] == [1 if status < 0 else 2] * 3


def test_a_failed_upload_is_taken_back_and_tried_again(peer, go):
    peer.fail = {"upload_pipeline_version": [-500]}
    assert go() == 0
    assert peer.count("upload_pipeline_version") == 2
    assert len(peer.versions) == 1
    assert peer.count("delete_pipeline_version") == 1


@pytest.mark.parametrize("others", [False, True])
def test_an_upload_that_keeps_failing_leaves_what_was_there(peer, go, other_package, others):
    if others:
        go()
    before = dict(peer.versions)
    peer.fail = {"upload_pipeline_version": [-500] * 20}
    with pytest.raises(FailedError, match=r"failed: 500 told to fail after the deed"):
        go(package=other_package, patience_seconds=1.0)
    assert peer.versions == before
    assert len(peer.pipelines) == others


def test_the_upload_of_someone_else_is_used(peer, go, package):
    """Between the look and the upload another caller was faster."""
    go()
    (version,) = peer.versions.values()

    def blind_once(ids, query, body):
        del peer.list_pipeline_versions
        return {}

    peer.list_pipeline_versions = blind_once
    go()
    assert list(peer.versions.values()) == [version]


def test_a_name_that_is_taken_by_nothing_visible_is_left(peer, go):
    """What a server kept of an upload that failed half-way is in no list."""
    taken = []

    def upload(ids, query, body, real=peer.upload_pipeline_version):
        if not taken:
            taken.append(query["name"])
            peer.ghosts.add(query["name"])
        return real(ids, query, body)

    peer.upload_pipeline_version = upload
    assert go() == 0
    (version,) = peer.versions.values()
    assert version["name"] != taken[0]


def test_refused_content_is_not_tried_again(peer, go):
    peer.fail = {"upload_pipeline_version": [400]}
    with pytest.raises(InputError, match=r"refuses that: found 400 told to fail"):
        go()
    assert peer.count("upload_pipeline_version") == 1
    assert not peer.pipelines


# A job in the background ignores Ctrl-C, and what it starts does too; here as in a terminal.
SCRIPT = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from types import SimpleNamespace
import yaml
from pipelines.kubeflow.client.source import plain_console
from pipelines.kubeflow.client.options import Access, Patience, Wish
from pipelines.kubeflow.client.submit import submit_package
text = Path(sys.argv[2]).read_text()
spec = yaml.safe_load(text)
package = SimpleNamespace(name="tiny", spec=spec, parameters={}, to_yaml=lambda: text)
sys.exit(submit_package(
    lambda: package, Access(host=sys.argv[1]), Wish(), Patience(poll_seconds=0.1), plain_console()
))
"""


def test_ctrl_c_leaves_the_run_alone(peer, package, tmp_path):
    peer.script = [{"state": "RUNNING"}]
    file = tmp_path / "tiny.yaml"
    file.write_text(package.to_yaml())
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, peer.host, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
    )
    end = time.monotonic() + 60
    while peer.count("get_run") < 3 and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    (run,) = peer.runs.values()
    assert (process.returncode, errors) == (130, "")
    assert output.splitlines()[-1] == f"left alone; run {run['display_name']} goes on"
    assert peer.count("terminate_run") == 0


def test_the_servers_check_refuses_what_kfp_does_not_know(peer):
    import urllib3

    for body in ({"display_name": "a", "colour": "red"}, {"display_name": 5}):
        answer = urllib3.request(
            "POST", f"{peer.host}/apis/v2beta1/experiments", body=json.dumps(body)
        )
        assert answer.status == 400
    assert urllib3.request("GET", f"{peer.host}/apis/v2beta1/runs?colour=red").status == 400
    assert urllib3.request("GET", f"{peer.host}/apis/v2beta1/run").status == 404
