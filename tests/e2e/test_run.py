"""The whole way, from pictures to a pushed model, as the command does it."""

import json
import re
from pathlib import Path

import pytest

STEPS = {
    "example_gen",
    "schema_gen",
    "statistics_gen",
    "example_validator",
    "data_validation",
    "trainer",
    "baseline",
    "evaluator",
    "interpreter",
    "infra_validator",
    "pusher",
}


def versions(workdir: Path) -> list[str]:
    folder = workdir / "serving" / "cats_vs_dogs"
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def summary_of(workdir: Path) -> dict:
    return json.loads((workdir / "summary.json").read_text())


def test_first_run_pushes_one_version(finished):
    workdir, summary, output = finished
    assert summary["config"] == "cats_vs_dogs"
    assert set(summary["steps"]) == STEPS
    assert not any(step["cached"] for step in summary["steps"].values())
    assert sum(step["seconds"] for step in summary["steps"].values()) <= summary["seconds"]
    data = summary["data"]
    assert data["found"] == data["accepted"] + sum(data["quarantined"].values()) == 80
    assert data["accepted"] == sum(data["splits"].values())
    assert set(data["splits"]) == {"train", "eval", "test"}
    page = Path(summary["report"])
    assert page.parent == workdir
    assert "cats_vs_dogs" in page.read_text()
    assert summary["blessed"] is True
    assert versions(workdir) == [str(summary["pushed"]["version"])]
    pushed = Path(summary["pushed"]["path"])
    assert pushed.is_relative_to(workdir)
    assert (pushed / "saved_model.pb").is_file()
    assert summary["served"] == summary["pushed"]
    # The terminal ends with the same, as a table.
    assert re.search(r"trainer\s+│\s+[0-9.]+ │ ran", output)
    assert str(pushed) in output


def test_metrics_are_those_of_the_test_split(finished):
    metrics = finished[1]["metrics"]["test"]
    assert {"accuracy", "auc", "precision_cat", "recall_dog"} <= set(metrics)
    tested = finished[1]["data"]["splits"]["test"]
    right = metrics["accuracy"] * tested
    assert right == pytest.approx(round(right), abs=1e-3)


def test_unchanged_second_run_takes_all_from_the_cache(pawlens, finished, pictures, run_arguments):
    workdir, first, _ = finished
    before = versions(workdir)
    pawlens.call(*run_arguments(pictures, workdir))
    second = summary_of(workdir)
    assert {name for name, step in second["steps"].items() if not step["cached"]} == {"pusher"}
    assert second["pushed"] is None
    assert second["served"] == first["served"]
    assert any("not pushed again" in reason for reason in second["reasons"])
    assert second["metrics"] == first["metrics"]
    assert versions(workdir) == before


def test_refused_model_is_not_pushed_but_reported(pawlens, finished, pictures, run_arguments):
    workdir = finished[0]
    before = versions(workdir)
    sets = {"evaluator.thresholds": "{accuracy: {min: 1.01}}"}
    ended = pawlens.call(*run_arguments(pictures, workdir, sets=sets))
    summary = summary_of(workdir)
    # The edited key runs what it changes and nothing else.
    ran = {name for name, step in summary["steps"].items() if not step["cached"]}
    assert ran == {"evaluator", "interpreter", "pusher"}
    assert summary["blessed"] is False
    assert summary["pushed"] is None
    assert summary["served"] is None
    (reason,) = summary["reasons"]
    assert re.fullmatch(r"accuracy is 0\.\d+, at least 1\.01 needed", reason)
    assert reason in ended.output
    assert reason in Path(summary["report"]).read_text()
    assert versions(workdir) == before
