"""The commands themselves, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
CLI = ROOT / "pipelines" / "cli.py"
IMAGE = "kubeflow.image=registry.example.com/pawlens:0.1.0"


def pawlens(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "kubeflow", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["schedule", "linear_blobs", "--cron", "0 3 * * *", "--host", "http://localhost:1"],
            "did you mean '0 0 3 * * *'?",
        ),
        (
            ["submit", "linear_blob", "--host", "http://localhost:1"],
            "did you mean 'linear_blobs'?",
        ),
        (["compile", "linear_blobs", "-o", "no/such/folder.yaml"], "found none"),
        (
            ["submit", "linear_blobs", "--host", "http://127.0.0.1:1"],
            "pass --host http://localhost:8080",
        ),
    ],
)
def test_mistakes_are_one_line_and_status_2(arguments, line):
    result = pawlens(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (error,) = result.stderr.splitlines()
    assert error.startswith("pawlens: ")
    assert error.endswith(line)


def test_help_names_the_commands():
    result = pawlens("--help")
    assert result.returncode == 0
    for command in ("compile", "submit", "schedule", "schedules"):
        assert f" {command} " in result.stdout
    schedules = pawlens("schedules", "--help").stdout
    assert all(f" {command} " in schedules for command in ("list", "pause", "resume", "delete"))


def test_a_shipped_pipeline_is_compiled_submitted_and_scheduled(zygote, peer, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text("old")
    compiled = zygote.call(CLI, "kubeflow", "compile", "linear_blobs", "--set", IMAGE, "-o", file)
    assert (compiled.status, compiled.output) == (0, f"linear-blobs: {file}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]
    spec, platform = yaml.safe_load_all(file.read_text())
    assert spec["pipelineInfo"]["name"] == "linear-blobs"
    assert "platforms" in platform

    common = ("linear_blobs", "--set", IMAGE, "--host", peer.host, "--param", "epochs=3")
    submitted = zygote.call(CLI, "kubeflow", "submit", *common, "--poll", "0.1")
    (version_line, run_line, last) = submitted.output.splitlines()
    assert submitted.status == 0
    assert (version_line.split()[1], run_line.split()[0]) == ("linear-blobs,", "run")
    assert last.endswith("succeeded")
    assert list(peer.contents.values()) == [file.read_text()]
    (run,) = peer.runs.values()
    assert run["runtime_config"]["parameters"] == {"epochs": 3}

    scheduled = zygote.call(CLI, "kubeflow", "schedule", *common, "--cron", "@daily")
    assert scheduled.status == 0
    assert "as uploaded before" in scheduled.output
    (made,) = peer.schedules.values()
    assert made["trigger"] == {"cron_schedule": {"cron": "@daily"}}

    listed = pawlens("schedules", "list", "--host", peer.host)
    assert (listed.returncode, listed.stdout.split()[:2]) == (0, ["linear-blobs", "enabled"])
    assert pawlens("schedules", "pause", "linear-blobs", "--host", peer.host).returncode == 0
    assert made["status"] == "DISABLED"
