"""What is said of a folder, and the configuration that is written for it."""

import numpy as np
import pytest
import yaml
from PIL import Image

from components.datasets.checking import describe
from components.datasets.looking import look, write_config
from components.datasets.synth import synthesize
from serving.errors import InputError


def _draw(root, counts: dict[str, int], size=(40, 30)) -> None:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", size).save(root / name / f"{number}.jpg")


def test_class_folders_and_their_configuration(tmp_path):
    root = tmp_path / "My 5 flowers!"
    _draw(root, {"train/yes": 30, "train/iris": 90, "train/few": 2, "val/yes": 4, "val/iris": 4})
    (root / "train/yes/a.tif").touch()
    (root / "train/yes/b.jpg").touch()
    report = look(root)
    assert report["classes"] == {"few": 2, "iris": 94, "yes": 35}
    assert (report["found"], report["usable"]) == (132, 131)
    assert report["sizes"]["width"] == [40, 40, 40]
    lines = describe(report).splitlines()
    assert lines[0].split() == [
        "layout",
        "class_folders,",
        "for",
        "the",
        "task",
        "image_classification",
    ]
    assert "          1 not: unsupported format" in lines
    assert any("1 of 131 opened are no images" in line for line in lines)
    assert lines[-1].startswith("imbalance 47.0 times")
    text = write_config(root, report)
    assert "# Left out, with fewer than 20 images each: few" in text
    config = yaml.safe_load(text)
    assert config["name"] == config["pusher"]["model_name"] == "my_5_flowers"
    assert config["data"] == {
        "path": str(root),
        "layout": "class_folders",
        "classes": ["iris", "yes"],
    }
    assert config["example_gen"] == {"split": "given"}
    assert config["trainer"]["image_size"] == 32
    assert config["trainer"]["loss"] == {"class_weights": "balanced"}
    assert config["evaluator"]["thresholds"]["accuracy"] == {"min": 0.82, "max_drop": 0.0}


@pytest.mark.parametrize(
    ("classes", "data"),
    [
        (
            2,
            {
                "classes": {"foreground": 1, "background": 2, "contour": 3},
                "min_share": {"foreground": 0.001},
            },
        ),
        (4, {"classes": {"0": 0, "1": 1, "2": 2, "3": 3}, "ignored": 255}),
    ],
)
def test_masks_and_their_configuration(tmp_path, classes, data):
    synthesize(tmp_path, "masks", 4, size=(64, 48), classes=classes)
    report = look(tmp_path)
    assert sum(report["classes"].values()) == pytest.approx(1, abs=1e-3)
    assert ("ignored   pixels of 255" in describe(report)) == (classes > 2)
    config = yaml.safe_load(write_config(tmp_path, report))
    assert config["task"] == "image_segmentation"
    assert config["data"] == {"path": str(tmp_path), "layout": "masks", **data}
    assert set(config["evaluator"]["thresholds"]) == {"mean_iou"}


def test_points_and_their_configuration(tmp_path):
    synthesize(tmp_path, "points", 9)
    report = look(tmp_path)
    assert report["classes"] == {"negative": 5, "positive": 4}
    assert "9, 9 points can be used" in describe(report)
    config = yaml.safe_load(write_config(tmp_path, report))
    assert (config["task"], config["trainer"]["model"]) == ("points", "linear")


def test_many_classes_are_not_all_told(tmp_path):
    _draw(tmp_path, {f"{number:03}": 2 if number == 70 else 1 for number in range(71)}, (8, 8))
    report = look(tmp_path)
    text = describe(report)
    assert "classes   71" in text and "and 21 more" in text and "070       2" in text
    config = yaml.safe_load(write_config(tmp_path, report))
    assert config["data"]["classes"] == list(report["classes"])  # too few of all: none is left out


def test_masks_beside_a_list_are_pointed_out(tmp_path):
    _draw(tmp_path, {"images": 2})
    (tmp_path / "annotations" / "trimaps").mkdir(parents=True)
    Image.fromarray(np.ones((30, 40), np.uint8)).save(tmp_path / "annotations/trimaps/1.png")
    (tmp_path / "annotations/list.txt").write_text("0 1 1 1\n1 2 2 1\n")
    assert "masks are there too: --layout masks" in describe(look(tmp_path, "oxford_list"))


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ("coco", "layout: expected one of auto, .* found 'coco'"),
        ("no.such:reader", "layout: expected an import path"),
        ("", "classes: expected at least 2, found 1"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, layout, told):
    _draw(tmp_path, {"rose": 1})
    with pytest.raises(InputError, match=told):
        look(tmp_path, layout)
