import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from components import artifacts
from components.interpreter import comparison
from pipelines.cli import app
from serving.errors import InputError


def write(root, answers, *, figures=(), config=None, task="image_classification", number=7):
    """A work directory with one report; answers: (key, origin, label, predicted) or (.., iou)."""
    folder = root / f"artifacts/interpreter/report/{number}"
    folder.mkdir(parents=True)
    card = {
        "name": "pets",
        "task": task,
        "unit": "images",
        "model": {"finished": "2026-11-30"},
        "evaluation": {
            "metrics": [one for one in figures if one["slice"] == "overall"],
            "slices": [one for one in figures if one["slice"] != "overall"],
        },
        "config": config or {},
    }
    (folder / artifacts.MODEL_CARD_DATA).write_text(json.dumps(card))
    lines = []
    for key, origin, *told in answers:
        if len(told) == 1:
            line = {"iou": told[0]}
        else:
            line = {"label": told[0], "predicted": told[1], "probabilities": {told[1]: 0.75}}
        lines.append(json.dumps({"key": key, "origin": origin} | line))
    (folder / artifacts.PREDICTIONS).write_text("".join(f"{line}\n" for line in lines))
    return root


FIRST = [("a", "a.png", "cat", "cat"), ("b", "b.png", "cat", "dog"), ("c", "c.png", "dog", "cat")]
FIRST += [("d", "d.png", "dog", "dog"), ("e", "e.png", "cat", "dog"), ("x", "x.png", "cat", "cat")]
SECOND = [("e", "e.png", "cat", "owl"), ("d", "d.png", "dog", "dog"), ("a", "a.png", "cat", "dog")]
SECOND += [("b", "b.png", "cat", "cat"), ("c", "c.png", "dog", "dog"), ("y", "y.png", "cat", "cat")]


def moved(content):
    return {how: [pair[1]["key"] for pair in some] for how, some in content["moved"].items()}


def test_pictures_that_flipped_are_told_and_the_difference_is_that_of_pairs(tmp_path):
    runs = (write(tmp_path / "1", FIRST), write(tmp_path / "2", SECOND))
    content = comparison.compare(*map(comparison.read_report, runs))
    assert moved(content) == {"Worse": ["a"], "Better": ["b", "c"], "Otherwise wrong": ["e"]}
    assert (content["common"], content["alone"]) == (5, (1, 1))
    gains = np.array([-1, 1, 1, 0, 0])
    half = 1.959964 * gains.std() / np.sqrt(5)
    np.testing.assert_allclose(content["gain"], [0.2, 0.2 - half, 0.2 + half], atol=1e-9)


def test_masks_that_changed_most_come_first(tmp_path):
    first = write(tmp_path / "1", [("a", "a", 0.5), ("b", "b", 0.5), ("c", "c", 0.5)])
    second = write(tmp_path / "2", [("a", "a", 0.4), ("b", "b", 0.1), ("c", "c", 0.5)])
    content = comparison.compare(*map(comparison.read_report, (first, second)))
    assert moved(content) == {"Worse": ["b", "a"], "Better": [], "Otherwise wrong": []}
    assert content["gain"][0] == pytest.approx(-0.5 / 3)


def test_the_last_report_of_a_work_directory_is_read(tmp_path):
    for number in (9, 10):
        write(tmp_path / "1", FIRST[: number % 9], number=number)
    assert len(comparison.read_report(tmp_path / "1").answers) == 1
    one = comparison.read_report(tmp_path / "1/artifacts/interpreter/report/9")
    assert one.answers == {}


def test_settings_and_figures_stand_side_by_side(kit, tmp_path):
    figure = kit.figure
    figures = [figure("accuracy", 0.9, lower=0.85, upper=0.95), figure("recall", 0.8, of="cat")]
    config = {"trainer": {"epochs": 3, "seed": 1}}
    first = write(tmp_path / "1", FIRST, figures=figures, config=config)
    figures = [figure("accuracy", 0.92), figure("auc", 0.7, slice="image/orientation=square")]
    config = {"trainer": {"epochs": 5, "seed": 1}}
    second = write(tmp_path / "2", SECOND, figures=figures, config=config)
    content = comparison.compare(*map(comparison.read_report, (first, second)))
    assert content["settings"] == [("trainer.epochs", 3, 5)]
    values = {name: [one and one["value"] for one in sides] for name, *sides in content["figures"]}
    assert values == {
        "accuracy": [0.9, 0.92],
        "recall of cat": [0.8, None],
        "auc on image/orientation=square": [None, 0.7],
    }
    page = comparison.render(content).decode()
    assert "+0.020" in page and "0.850 to 0.950" in page and "trainer.epochs" in page


def test_the_command_writes_a_page_with_the_pictures_at_hand(tmp_path):
    runs = [str(write(tmp_path / "1", FIRST)), str(write(tmp_path / "2", SECOND))]
    (tmp_path / "data").mkdir()
    Image.new("RGB", (30, 20), "red").save(tmp_path / "data/a.png")
    page = tmp_path / "page.html"
    asked = ["runs", "compare", *runs, "--data", str(tmp_path / "data"), "--output", str(page)]
    answer = CliRunner().invoke(app, asked)
    assert answer.exit_code == 0, answer.output
    assert "accuracy: +0.2000" in answer.output
    assert "1 worse, 2 better, 1 otherwise" in answer.output
    assert page.read_text().count("<img") == 1 and 'alt="a.png"' in page.read_text()


def test_what_cannot_be_compared_is_told(tmp_path):
    with pytest.raises(InputError, match=r"work directory, or .*No such file"):
        comparison.read_report(tmp_path / "nowhere")
    masks = write(tmp_path / "1", [("a", "a", 0.5)], task="image_segmentation")
    other = write(tmp_path / "2", SECOND)
    with pytest.raises(InputError, match="one of image_segmentation, found image_classification"):
        comparison.compare(*map(comparison.read_report, (masks, other)))
    (tmp_path / "a.png").write_text("no picture")
    same = comparison.read_report(write(tmp_path / "3", FIRST))
    with pytest.raises(InputError, match=r"a\.png: expected a picture"):
        comparison.compare(same, comparison.read_report(other), tmp_path)
