import io

import pytest

from pipelines.logs import terminal
from pipelines.run import print_summary
from pipelines.summary import _served


@pytest.mark.parametrize(
    ("push", "word"), [("already served", "already"), ("classes changed", "still")]
)
def test_of_many_classes_the_terminal_shows_the_first_metrics(push, word):
    metrics = {"accuracy": 0.875, "auc": None, "auc_[red]": 0.375} | {
        f"f1_c{number}": 0.5 for number in range(200)
    }
    summary = {
        "config": "birds",
        "seconds": 61.2,
        "steps": {"trainer": {"seconds": 60.0, "cached": False}},
        "data": {
            "found": 10,
            "accepted": 9,
            "quarantined": {"duplicate": 1},
            "splits": {"train": 7, "test": 2},
            "missing": 3,
            "notes": ["eval is taken from train"],
        },
        "metrics": {"test": metrics},
        "converted": None,
        "blessed": False,
        "pushed": None,
        "push": push,
        "served": {"path": "/q[/x]/7"},
        "rolled_back": None,
        "reasons": ["accuracy is 0.8750, at least 0.9 needed"],
        "report": "/work/report.html",
    }
    printed = io.StringIO()
    print_summary(summary, terminal(file=printed, width=120))
    lines = [line.strip() for line in printed.getvalue().splitlines()]
    for line in (
        "data      10 found, 9 accepted (train 7, test 2)",
        "1 in quarantine: duplicate",
        "3 that a list names are not there",
        "eval is taken from train",
        "test      accuracy 0.8750",
        "test      auc -",
        "test      auc_[red] 0.3750",
        f"served    {word}, as /q[/x]/7",
        "test      f1_c16 0.5000",
        "and 183 more in summary.json",
        "accuracy is 0.8750, at least 0.9 needed",
    ):
        assert line in lines
    assert "test      f1_c17 0.5000" not in lines


def test_a_summary_tells_what_is_served_after_a_roll_back():
    version = {"name": "pets", "version": 8, "path": "/pets/8"}
    push = version | {"status": "rolled back", "served": None}
    assert _served(push, version) is None
    push["served"] = {"version": 7, "path": "/pets/7"}
    assert _served(push, version) == {"name": "pets", "version": 7, "path": "/pets/7"}
    for status, served in (("pushed", version), ("already served", version), ("set aside", None)):
        assert _served(push | {"status": status}, version) == served
