from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from components.datasets.looking import describe, look, write_config
from components.datasets.synth import synthesize
from serving.errors import InputError

TEMPLATE = """task: of which nothing is taken
trainer:
  image_size: 180
pusher:
  model_name: other
# On a cluster: nor of this
"""


def _draw(root: Path, counts: dict[str, int], size=(40, 30)) -> Path:
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", size).save(root / name / f"{number}.jpg")
    return root


def test_class_folders_and_their_configuration(tmp_path):
    counts = {"train/yes": 30, "train/iris": 90, "train/few": 2, "val/yes": 4, "val/iris": 4}
    root = _draw(tmp_path / "5 My flowers!", counts)
    (root / "train/yes/a.tif").touch()
    (root / "train/yes/b.jpg").touch()
    report = look(root)
    assert yaml.safe_load(describe(report)) == report
    assert report == {
        "layout": "class_folders",
        "task": "image_classification",
        "found": 132,
        "usable": 130,
        "problems": {"not a picture": 1, "unsupported format": 1},
        "splits": {"train": 122, "eval": 8},
        "width": [40, 40, 40],
        "height": [30, 30, 30],
        "classes": {"few": 2, "iris": 94, "yes": 34},
        "imbalance": 47.0,
    }
    text = write_config(root, report, TEMPLATE)
    assert '    # - "few"  # 2\n    - "iris"  # 94\n' in text
    assert yaml.safe_load(text) == {
        "name": "data_5_my_flowers",
        "task": "image_classification",
        "data": {"path": str(root), "layout": "class_folders", "classes": ["iris", "yes"]},
        "example_gen": {"split": "given"},
        "trainer": {"image_size": 32},
        "pusher": {"model_name": "data_5_my_flowers"},
    }


IDS = {"foreground": 1, "background": 2, "contour": 3}
TRIMAPS = {"classes": IDS, "min_share": {"foreground": 0.001}}


@pytest.mark.parametrize(
    ("layout", "classes", "task", "data"),
    [
        ("masks", 2, "image_segmentation", TRIMAPS),
        ("masks", 4, "image_segmentation", {"classes": dict(zip("0123", range(4), strict=True))}),
        ("points", 2, "points", {"classes": ["negative", "positive"]}),
    ],
)
def test_masks_and_points_and_their_configuration(tmp_path, layout, classes, task, data):
    synthesize(tmp_path, layout, 9, size=(64, 48), classes=classes)
    report = look(tmp_path)
    total = sum(report["classes"].values())
    assert total == (9 if layout == "points" else pytest.approx(1, abs=1e-3))
    config = yaml.safe_load(write_config(tmp_path, report, TEMPLATE))
    assert (config["task"], config["example_gen"]) == (task, {"split": "hash"})
    ignored = {"ignored": 255} if classes > 2 else {}
    assert config["data"] == {"path": str(tmp_path), "layout": layout, **data, **ignored}


def test_many_classes_are_not_all_told(tmp_path):
    report = look(_draw(tmp_path, {f"{number:03}": 1 for number in range(71)}, (8, 8)))
    told = yaml.safe_load(describe(report))
    assert (len(told["classes"]), told["and"]) == (50, "21 more classes")
    config = yaml.safe_load(write_config(tmp_path, report, TEMPLATE))
    assert config["data"]["classes"] == list(report["classes"])  # too few of all: none is left out


def test_masks_beside_a_list_are_pointed_out(tmp_path):
    _draw(tmp_path, {"images": 2})
    (tmp_path / "annotations" / "trimaps").mkdir(parents=True)
    Image.fromarray(np.ones((30, 40), np.uint8)).save(tmp_path / "annotations/trimaps/1.png")
    (tmp_path / "annotations/list.txt").write_text("0 1 1 1\n1 2 2 1\n")
    assert "masks are there too: --layout masks" in describe(look(tmp_path))


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ("coco", "layout: expected one of auto, .* found 'coco'"),
        ("no.such:reader", "layout: expected an import path"),
        ("points", "not in the layout 'points'"),
        ("", "classes: expected at least 2, found 1"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, layout, told):
    with pytest.raises(InputError, match=told):
        look(_draw(tmp_path, {"rose": 1}), layout)
