"""Prometheus' own tool on the alerts: it reads them, and plays through days of samples."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

CASES = Path(__file__).with_name("alerts.test.yaml")


@pytest.fixture
def promtool(render, tmp_path):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed: the alerts are not played through")
    manifests = [one for one in render("monitoring") if one["kind"] == "PrometheusRule"]
    groups = [group for one in manifests for group in one["spec"]["groups"]]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (tmp_path / CASES.name).write_text(CASES.read_text())

    def run(*arguments):
        return subprocess.run(
            ["promtool", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_prometheus_takes_the_rules(promtool):
    done = promtool("check", "rules", "rules.yaml")
    assert done.returncode == 0, done.stderr


def test_alerts_fire_when_they_should(promtool):
    done = promtool("test", "rules", CASES.name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_alerts_about_runs_and_places_are_played_through(render):
    """Without the tool, at least the cases are about alerts that there are."""
    groups = [
        group
        for one in render("monitoring")
        if one["kind"] == "PrometheusRule"
        for group in one["spec"]["groups"]
    ]
    there = {rule.get("alert") for group in groups for rule in group["rules"]}
    cases = yaml.safe_load(CASES.read_text())["tests"]
    played = {one["alertname"] for case in cases for one in case["alert_rule_test"]}
    assert played <= there
    assert len(played) >= 7
