"""How rows and images are written."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from serving.commands.inputs import Source
from serving.commands.outputs import FORMATS, output_files, save
from serving.errors import FailedError, InputError

COLUMNS = ["image", "label", "share.cat", "share.dog"]
ROWS = [
    {"image": 'a "1", b.jpg', "label": "cat", "share": {"cat": 0.75, "dog": 0.25}},
    {"image": "p\udcff.jpg", "error": "no\nimage"},
    {"image": "ü.jpg", "label": "dog", "share": {"cat": 0.0, "dog": 1.0}},
]


def _written(style: str, rows: Iterable[dict], capsys) -> str:
    FORMATS[style](rows)
    return capsys.readouterr().out


def test_json_is_one_list_or_lines(capsys) -> None:
    assert _written("json", ROWS, capsys) == json.dumps(ROWS, indent=2) + "\n"
    assert _written("json", [], capsys) == ""
    lines = _written("jsonl", ROWS, capsys).splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_csv(capsys) -> None:
    found = list(csv.DictReader(io.StringIO(_written("csv", ROWS, capsys))))
    assert list(found[0]) == [*COLUMNS, "error"]
    assert [one["image"] for one in found] == ['a "1", b.jpg', "p\\udcff.jpg", "ü.jpg"]
    assert [one["share.dog"] for one in found] == ["0.25", "", "1.0"]
    assert [one["error"] for one in found] == ["", "no\nimage", ""]


def test_the_header_is_that_of_the_first_answer(capsys) -> None:
    found = list(csv.DictReader(io.StringIO(_written("csv", ROWS[1:], capsys))))
    assert list(found[0]) == [*COLUMNS, "error"]
    assert [one["error"] for one in found] == ["no\nimage", ""]
    assert _written("csv", ROWS[1:2], capsys).splitlines()[0] == "image,error"
    with pytest.raises(FailedError, match="classes changed"):
        _written("csv", [ROWS[0], {"image": "b.jpg", "share": {"bird": 1.0}}], capsys)


@pytest.mark.parametrize("style", FORMATS)
def test_a_table_tells_the_likeliest_of_many_classes(style: str, capsys) -> None:
    shares = {f"class{number:02}": (number + 1) / 78 for number in range(12)}
    text = _written(style, [{"image": "a.jpg", "share": shares}], capsys)
    found = [name for name in shares if name in text]
    assert found == list(shares)[2 if style == "table" else 0 :]
    if style == "table":
        assert text.index("class11 0.154") < text.index("class10") and "..." in text


def test_tables_leave_errors_out(capsys) -> None:
    text = _written("table", ROWS, capsys)
    assert "cat 0.750, dog 0.250" in text
    assert "udcff" not in text
    assert _written("table", ROWS[1:2], capsys) == ""


def test_long_tables_are_written_in_parts(capsys) -> None:
    def rows() -> Iterator[dict]:
        for number in range(501):
            if number == 500:
                assert "499.jpg" in capsys.readouterr().out
            yield {"image": f"{number}.jpg", "label": "cat"}

    second = _written("table", rows(), capsys)
    assert "500.jpg" in second
    assert "499.jpg" not in second


@pytest.mark.parametrize("style", FORMATS)
def test_what_came_before_a_failure_is_written(style: str, capsys) -> None:
    def rows() -> Iterator[dict]:
        yield ROWS[0]
        raise FailedError("the server went away")

    with pytest.raises(FailedError, match="went away"):
        FORMATS[style](rows())
    text = capsys.readouterr().out
    assert text == _written(style, ROWS[:1], capsys) != ""


@pytest.mark.parametrize("style", ["jsonl", "csv"])
def test_rows_are_written_at_once(style: str, monkeypatch) -> None:
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding="utf-8"))

    def rows() -> Iterator[dict]:
        yield ROWS[0]
        assert b"0.75" in pipe.getvalue()

    FORMATS[style](rows())


def _sources(*places: str) -> list[Source]:
    return [Source(f"in/{place}", place, f"in/{place}") for place in places]


def test_folders_are_kept_so_that_names_do_not_clash(tmp_path: Path) -> None:
    files = output_files(_sources("pets/a/1.jpg", "pets/b/1.jpg", "2.x.jpg"), tmp_path, "mask")
    names = ["pets/a/1_mask.png", "pets/b/1_mask.png", "2.x_mask.png"]
    assert files == [str(tmp_path / name) for name in names]
    save(files[0], b"mask")
    assert (tmp_path / "pets" / "a" / "1_mask.png").read_bytes() == b"mask"
    # Twins keep their suffix.
    files = output_files(_sources("1.jpg", "1.png", "2.jpg"), tmp_path, "mask")
    assert [Path(file).name for file in files] == ["1.jpg_mask.png", "1.png_mask.png", "2_mask.png"]
    with pytest.raises(InputError, match=r"in/1\.jpg and in/1\.jpg would both write .*1\.jpg_mask"):
        output_files(_sources("1.jpg", "1.jpg"), tmp_path, "mask")


def test_a_image_is_never_overwritten(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "in" / "1_mask.png"
    image.parent.mkdir()
    image.write_bytes(b"x")
    Path("link").symlink_to("in")
    sources = _sources("1.jpg", "1_mask.png")
    for folder in ("in", "link"):
        with pytest.raises(InputError, match=r"1_mask\.png is one of the images"):
            output_files(sources, Path(folder), "mask")
    assert output_files(sources[:1], Path("in"), "mask") == ["in/1_mask.png"]


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(InputError, match="--output: expected a folder, found the file"):
        output_files(_sources("1.jpg"), file, "mask")
    with pytest.raises(FailedError, match=r"mask\.png cannot be written"):
        save(f"{file}/mask.png", b"")
