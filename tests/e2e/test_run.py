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
    assert summary["blessed"] is True
    assert versions(workdir) == [str(summary["pushed"]["version"])]
    pushed = Path(summary["pushed"]["path"])
    assert pushed.is_relative_to(workdir)
    assert (pushed / "saved_model.pb").is_file()
    assert summary["served"] == summary["pushed"]
    # The terminal ends with the same, as a table.
    assert re.search(r"trainer\s+│\s+[0-9.]+ │ ran", output)
    assert str(pushed) in output


def test_counts_add_up(finished):
    data = finished[1]["data"]
    assert data["found"] == 80
    assert data["found"] == data["accepted"] + sum(data["quarantined"].values())
    assert data["accepted"] == sum(data["splits"].values())
    assert set(data["splits"]) == {"train", "eval", "test"}


def test_metrics_are_those_of_the_test_split(finished):
    metrics = finished[1]["metrics"]["test"]
    assert {"accuracy", "auc", "precision_cat", "recall_dog"} <= set(metrics)
    tested = finished[1]["data"]["splits"]["test"]
    right = metrics["accuracy"] * tested
    assert right == pytest.approx(round(right), abs=1e-3)


def test_report_is_one_page_in_the_work_directory(finished):
    page = Path(finished[1]["report"])
    assert page.parent == finished[0]
    assert "cats_vs_dogs" in page.read_text()


def test_unchanged_second_run_takes_all_from_the_cache(pawlens, finished, pictures, run_arguments):
    workdir, first, _ = finished
    before = versions(workdir)
    ended = pawlens.call(*run_arguments(pictures, workdir))
    assert ended.status == 0, ended.output
    second = summary_of(workdir)
    assert {name for name, step in second["steps"].items() if not step["cached"]} == {"pusher"}
    assert second["pushed"] is None
    assert second["served"] == first["served"]
    assert any("not pushed again" in reason for reason in second["reasons"])
    assert second["metrics"] == first["metrics"]
    assert versions(workdir) == before


def test_edited_key_runs_only_what_it_changes(pawlens, rerunnable, pictures, run_arguments):
    sets = {"interpreter.images": "4"}
    ended = pawlens.call(*run_arguments(pictures, rerunnable, sets=sets))
    assert ended.status == 0, ended.output
    steps = summary_of(rerunnable)["steps"]
    ran = {name for name, step in steps.items() if not step["cached"]}
    assert ran == {"interpreter", "pusher"}


def test_refused_model_is_not_pushed_but_reported(pawlens, rerunnable, pictures, run_arguments):
    before = versions(rerunnable)
    sets = {"evaluator.thresholds": "{accuracy: {min: 1.01}}"}
    ended = pawlens.call(*run_arguments(pictures, rerunnable, sets=sets))
    assert ended.status == 0, ended.output
    summary = summary_of(rerunnable)
    assert summary["blessed"] is False
    assert summary["pushed"] is None
    assert summary["served"] is None
    (reason,) = summary["reasons"]
    assert re.fullmatch(r"accuracy is 0\.\d+, at least 1\.01 needed", reason)
    assert reason in ended.output
    assert not summary["steps"]["interpreter"]["cached"]
    assert reason in Path(summary["report"]).read_text()
    assert versions(rerunnable) == before
