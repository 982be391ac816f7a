from typing import Any

import pytest

from components import features as f
from components.data_validation import ExampleValidator, SchemaGen, StatisticsGen
from components.tasks import SHIPPED
from serving.classes import Classes

IMAGE = {
    f.IMAGE: b"\xff\xd8 encoded",
    f.KEY: b"0abcdef",
    f.FILENAME: b"a.jpg",
    f.WIDTH: 320,
    f.HEIGHT: 200,
    f.ORIENTATION: b"landscape",
}
# The features of one good Example, by task.
GOOD: dict[str, dict[str, Any]] = {
    "image_classification": IMAGE | {f.LABEL: 2, f.LABEL_NAME: "tulipán".encode()},
    "image_segmentation": IMAGE | {f.MASK: b"\x89PNG", f.MASK_FRACTIONS: [0.25, 0.625, 0.125]},
    "points": {
        f.POINT_X: 1.5,
        f.POINT_Y: -2.0,
        f.POINT_LABEL: 0,
        f.POINT_LABEL_NAME: b"daisy",
        f.POINT_ROW: b"points.csv:2",
        f.POINT_KEY: b"0abcdef",
    },
}
CLASSES = Classes(("daisy", "rose", "tulipán"))
assert set(GOOD) == set(SHIPPED)


@pytest.fixture(scope="session")
def good() -> dict[str, dict[str, Any]]:
    return GOOD


@pytest.fixture(scope="session")
def check(run_step, write_examples):
    """check(folder, task, {split: [features, ...]}, *beam_args): statistics and anomalies."""

    def run(folder, task, splits, *beam_args):
        examples = write_examples(folder / "examples", splits, CLASSES)
        found: dict[str, Any] = {}
        for step in (StatisticsGen, SchemaGen):
            found |= run_step(step, folder, {"examples": examples}, *beam_args, task=task)
        return found["statistics"], run_step(ExampleValidator, folder, found)["anomalies"]

    return run
