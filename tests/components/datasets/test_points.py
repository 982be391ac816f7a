import math

import numpy as np
import pytest

from components.datasets import check, list_points
from components.datasets.blobs import draw_points
from components.datasets.synth import synthesize
from serving.errors import InputError


def _write(root, text: str, name: str = "points.csv") -> None:
    root.mkdir(exist_ok=True)
    (root / name).write_bytes(text.encode("utf-8", "surrogateescape"))


def test_rows_are_read_by_their_header_and_named_by_file_and_line(tmp_path):
    _write(tmp_path, '\ufefflabel, y ,id,x\r\npositive,"2.5",a,-1\r\n\r\n negative , 0.1,b,1e2\r\n')
    _write(tmp_path, "x,y,label\n3,4,negative\n", "a.csv")
    _write(tmp_path, "x,y,label\n9,9,negative\n", ".hidden.csv")
    _write(tmp_path, "no points", "readme.txt")
    found = [(p.path, p.x, p.y, p.label, p.problem) for p in list_points(tmp_path)]
    assert found == [
        ("a.csv:2", 3.0, 4.0, 0, None),
        ("points.csv:2", -1.0, 2.5, 1, None),
        ("points.csv:4", 100.0, float(np.float32(0.1)), 0, None),
    ]


BAD = {
    "abc,2,negative": ("not a number", "x is 'abc'"),
    ",2,negative": ("not a number", "x is ''"),
    "1,nan,negative": ("not a number", "y is 'nan'"),
    "-inf,2,negative": ("not finite", "x is '-inf'"),
    "1,1e39,negative": ("not finite", "y is '1e39', too large for float32"),
    "1,2": ("missing column", "label"),
    "1": ("missing column", "y, label"),
    "1,2,negative,3": ("surplus column", "4 fields, 3 in the header"),
    "1,2,Negative": ("unknown label", "'Negative', expected negative or positive"),
    "1,2,0": ("unknown label", "'0', expected negative or positive"),
    "1,2,caf\udce9": ("unknown label", r"'caf\\xe9', expected negative or positive"),
    '"1,2,negative': ("missing column", "y, label"),  # an open quote spoils its own row only
    f"{'1' * 140_000},2,negative": ("unreadable row", ""),
}


def test_every_bad_row_is_listed_with_its_reason(tmp_path):
    rows = [row for bad in BAD for row in (bad, "1,2,positive")]
    _write(tmp_path, "\n".join(["x,y,label", *rows]) + "\n")
    points = list_points(tmp_path)
    assert [(p.problem, p.detail) for p in points[::2]] == list(BAD.values())
    assert all(p.label is None for p in points[::2])
    assert [p.problem for p in points[1::2]] == [None] * len(BAD)
    assert [p.path for p in points[:2]] == ["points.csv:2", "points.csv:3"]


def test_check_counts_rows_and_problems(tmp_path):
    _write(tmp_path, "x,y,label\n1,2,positive\n1,2,negative\n2,2,negative\ninf,2,negative\n1,2\n")
    assert check(tmp_path, "blobs") == {
        "layout": "blobs",
        "found": 5,
        "usable": 3,
        "classes": {"negative": 2, "positive": 1},
        "with_masks": 0,
        "problems": {"missing column": 1, "not finite": 1},
    }


def test_one_file_of_several_without_the_columns_is_counted_not_fatal(tmp_path):
    _write(tmp_path, "x,y,label\n1,2,positive\n")
    _write(tmp_path, "x,z,label\n1,2,positive\n", "other.csv")
    _write(tmp_path, "", "empty.csv")
    problems = {p.path: p.problem for p in list_points(tmp_path)}
    assert problems == {"other.csv:2": "missing column", "points.csv:2": None}


def test_a_folder_that_is_no_points_says_what_it_is(tmp_path):
    with pytest.raises(InputError, match="expected a folder, found nothing"):
        list_points(tmp_path / "missing")
    _write(tmp_path / "table", "a;b\n1;2\n")
    with pytest.raises(InputError, match=r"points\.csv'.*columns x, y, label.*found a;b"):
        list_points(tmp_path / "table")
    with pytest.raises(InputError, match=r"'blobs': expected \*\.csv .*found table/.*'blobs'"):
        list_points(tmp_path)  # one level too high
    synthesize(tmp_path / "cats", "cats_dogs", 2, size=(40, 40))
    with pytest.raises(InputError, match="this folder is in the layout 'cats_dogs'"):
        list_points(tmp_path / "cats")
    with pytest.raises(InputError, match="this folder is in the layout 'blobs'"):
        check(tmp_path / "table", "cats_dogs")


def test_drawn_points_are_the_books_two_clouds():
    points = draw_points(20_000, seed=1)
    for label, mean in enumerate([(0, 3), (3, 0)]):
        cloud = points[label::2]
        assert cloud.shape == (10_000, 2)
        # Standard errors at this number: 0.01 of a mean, about 0.015 of a covariance.
        np.testing.assert_allclose(cloud.mean(axis=0), mean, atol=0.05)
        np.testing.assert_allclose(np.cov(cloud.T), [[1, 0.5], [0.5, 1]], atol=0.07)


def test_drawn_points_are_read_back(tmp_path):
    assert synthesize(tmp_path, "blobs", 30, seed=4) == 30
    points = list_points(tmp_path)
    np.testing.assert_allclose([(p.x, p.y) for p in points], draw_points(30, 4), atol=1e-6)
    assert [p.label for p in points] == [0, 1] * 15
    assert all(p.problem is None and math.isfinite(p.x) for p in points)


def test_same_seed_same_file_and_growing_changes_nothing(tmp_path):
    def content(count: int, seed: int = 3) -> bytes:
        synthesize(tmp_path, "blobs", count, seed=seed)
        return (tmp_path / "points.csv").read_bytes()

    few, many = content(5), content(9)
    assert many.startswith(few)
    assert content(5) == few
    time = (tmp_path / "points.csv").stat().st_mtime_ns
    assert content(5) == few
    assert (tmp_path / "points.csv").stat().st_mtime_ns == time
    assert content(5, seed=2) != few
    with pytest.raises(InputError, match="drawn data in layout 'pets', found 'blobs'"):
        synthesize(tmp_path, "pets", 2)
