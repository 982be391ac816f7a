import hashlib
import struct
from collections import Counter

import numpy as np
import pytest

from components import features as f
from components.datasets.synth import synthesize
from components.example_gen.splits import split_index
from components.tasks.points.data import point_key

COUNT = 120
POINTS = {"task": "points", "data": {"classes": ["negative", "positive"]}}
BAD = {
    "points.csv:122": "duplicate",  # as line 2
    "points.csv:123": "same coordinates under another label",  # as line 12
    "points.csv:12": "same coordinates under another label",
    "points.csv:124": "not a number",
    "points.csv:125": "not finite",
    "points.csv:126": "missing column",
    "points.csv:127": "class not in data.classes",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("points")
    synthesize(root, "points", COUNT)
    path = root / "points.csv"
    lines = path.read_text().splitlines()
    x, y, _ = lines[1].split(",")
    other = lines[11].rpartition(",")[0] + ",positive"
    assert lines[11].endswith(",negative")
    # The copy is written otherwise, and is the same point.
    more = [f"{x}00,{y}e0,negative", other, "1,nan,negative", "inf,1,negative", "1,2", "1,2,cat"]
    path.write_text("\n".join([*lines, *more]) + "\n")
    return root


@pytest.fixture(scope="module")
def ingested(ingest, folder, tmp_path_factory):
    return ingest(folder, tmp_path_factory.mktemp("ingested"), **POINTS)


def test_found_is_accepted_and_refused(ingested):
    assert {path: reason for path, (reason, _) in ingested.refused.items()} == BAD
    # 12 comes first: sorted as text it would stand behind 122.
    assert list(ingested.refused) == sorted(BAD, key=lambda path: int(path.partition(":")[2]))
    kept = {f"points.csv:{line}" for line in range(2, COUNT + 2)} - {"points.csv:12"}
    assert set(ingested.split_of) == kept
    summary = ingested.summary
    assert summary["quarantined"] == dict(Counter(BAD.values()))
    assert summary["accepted"] == COUNT - 1 == sum(summary["splits"].values())
    assert ingested.refused["points.csv:122"][1] == "same coordinates as points.csv:2"
    assert ingested.refused["points.csv:12"][1] == "also points.csv:123"


def test_examples_hold_the_points_in_the_split_of_their_key(ingested, folder):
    lines = (folder / "points.csv").read_text().splitlines()
    for index, split in enumerate(f.SPLITS):
        for path, example in ingested.splits[split].items():
            x, y, name = lines[int(path.partition(":")[2]) - 1].split(",")
            found = *example[f.POINT_X], *example[f.POINT_Y]
            assert found == (np.float32(float(x)), np.float32(float(y)))
            assert example[f.POINT_LABEL_NAME] == [name.encode()]
            assert example[f.POINT_LABEL] == [name == "positive"]
            key = example[f.POINT_KEY][0].decode()
            assert key == hashlib.sha256(struct.pack("<2f", *found)).hexdigest()
            assert split_index(key, [2, 1, 1]) == index


def test_equal_points_share_a_key():
    assert point_key(0.0, 1.0) == point_key(-0.0, 1.0)
    assert len({point_key(0.0, 1.0), point_key(1.0, 0.0), point_key(0.0, -1.0)}) == 3
