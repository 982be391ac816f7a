import numpy as np
import pytest

from components.datasets.layouts import points
from components.datasets.settings import DataConfig
from serving.errors import InputError

DATA = DataConfig()


def _write(root, text: str, name: str = "points.csv") -> None:
    root.mkdir(exist_ok=True)
    (root / name).write_bytes(text.encode("utf-8", "surrogateescape"))


def test_rows_are_read_by_their_header_and_named_by_file_and_line(tmp_path):
    _write(tmp_path, '\ufefflabel, y ,id,x\r\npositive,"2.5",a,-1\r\n\r\n negative , 0.1,b,1e2\r\n')
    _write(tmp_path, "x,y,label\n3,4,negative\n", "a.csv")
    _write(tmp_path, "x,z,label\n1,2,positive\n", "other.csv")
    _write(tmp_path, "", "empty.csv")
    _write(tmp_path, "x,y,label\n9,9,negative\n", ".hidden.csv")
    found = [(r.path, r.values, r.label, r.problem) for r in points.read(tmp_path, DATA).records]
    assert found == [
        ("a.csv:2", (3.0, 4.0), "negative", None),
        ("other.csv:2", (), None, "missing column"),
        ("points.csv:2", (-1.0, 2.5), "positive", None),
        ("points.csv:4", (100.0, float(np.float32(0.1))), "negative", None),
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
    '"1,2,negative': ("missing column", "y, label"),  # an open quote spoils its own row only
    f"{'1' * 140_000},2,negative": ("unreadable row", ""),
}


def test_every_bad_row_is_listed_with_its_reason(tmp_path):
    rows = [row for bad in BAD for row in (bad, "1,2,positive")]
    _write(tmp_path, "\n".join(["x,y,label", *rows]) + "\n")
    records = points.read(tmp_path, DATA).records
    assert [(r.problem, r.detail) for r in records[::2]] == list(BAD.values())
    assert {(r.problem, r.values) for r in records[1::2]} == {(None, (1.0, 2.0))}


def test_a_folder_that_is_no_points_says_what_it_is(tmp_path):
    with pytest.raises(InputError, match="expected a folder, found nothing"):
        points.read(tmp_path / "missing", DATA)
    _write(tmp_path / "table", "a;b\n1;2\n")
    with pytest.raises(InputError, match=r"points\.csv'.*columns x, y, label.*found a;b"):
        points.read(tmp_path / "table", DATA)
    with pytest.raises(InputError, match=r"'points': expected \*\.csv .*found table/"):
        points.read(tmp_path, DATA)  # one level too high
