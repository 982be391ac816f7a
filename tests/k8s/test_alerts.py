"""Prometheus' own tool on rules and dashboard: it reads them, and plays through days of samples."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

CASES = Path(__file__).with_name("alerts.test.yaml")


@pytest.fixture(scope="module")
def groups(render):
    manifests = [one for one in render("monitoring") if one["kind"] == "PrometheusRule"]
    return [group for one in manifests for group in one["spec"]["groups"]]


@pytest.fixture
def promtool(tmp_path):
    """Runs promtool on rules, beside a file of those and one of cases."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")

    def run(groups, *arguments):
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
        shutil.copy(CASES, tmp_path)
        how = {"capture_output": True, "text": True, "timeout": 500}
        done = subprocess.run(["promtool", *arguments], cwd=tmp_path, check=False, **how)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_prometheus_takes_the_rules(promtool, groups):
    assert len([rule for group in groups for rule in group["rules"]]) >= 10
    promtool(groups, "check", "rules", "rules.yaml")


def test_prometheus_takes_what_the_dashboard_asks(promtool, render, one_of):
    [text] = one_of(render("monitoring"), "ConfigMap")["data"].values()
    asked = [target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]]
    rules = [
        {"record": f"panel{number}", "expr": one.replace("$__rate_interval", "5m")}
        for number, one in enumerate(asked)
    ]
    assert len(rules) >= 6
    promtool([{"name": "dashboard", "rules": rules}], "check", "rules", "rules.yaml")


def test_alerts_fire_when_they_should(promtool, groups):
    promtool(groups, "test", "rules", CASES.name)


def test_all_alerts_about_runs_and_places_are_played_through(groups):
    """Without the tool, at least the cases are about alerts that there are."""
    there = {rule.get("alert") for group in groups for rule in group["rules"]}
    cases = yaml.safe_load(CASES.read_text())["tests"]
    played = {one["alertname"] for case in cases for one in case["alert_rule_test"]}
    assert played <= there
    assert len(played) >= 7
