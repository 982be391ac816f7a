import pytest

from components.datasets.layouts import auto
from components.datasets.records import Record
from components.datasets.settings import DataConfig
from serving.errors import InputError


def test_rows_name_images_and_each_bad_one_is_counted(touch):
    root = touch("a/1.jpg", "a/2.jpg", "a/3.tif", "../outside.jpg")
    rows = [
        "rose,a/1.jpg,,train",
        "iris,./a/../a/2.jpg,x,VAL",
        "iris,a/3.tif,x,test",
        "rose,a/9.jpg,x,train",
        "rose,../outside.jpg,x,train",
        f"rose,{root}/a/1.jpg,x,train",
        ",a/1.jpg,x,train",
        "rose,a/1.jpg,x,first",
        "rose",
        "rose,a/1.jpg,x,train,more",
        "rose,caf\udce9.jpg,x,train",
    ]
    text = "\n".join(["label,Path,note,split", *rows])
    (root / "list.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    records = auto.read(root, DataConfig()).records
    assert records[:2] == [
        Record("a/1.jpg", label="rose", split="train"),
        Record("a/2.jpg", label="iris", split="eval"),
    ]
    assert [(r.path, r.problem, r.detail) for r in records[3:]] == [
        ("list.csv:5", "no such file", "a/9.jpg"),
        ("list.csv:6", "outside the data folder", "../outside.jpg"),
        ("list.csv:7", "outside the data folder", f"{root}/a/1.jpg"),
        ("list.csv:8", "no label", "a/1.jpg"),
        ("list.csv:9", "unknown split", "first"),
        ("list.csv:10", "missing column", "path"),
        ("list.csv:11", "surplus column", "5 fields, 4 in the header"),
        ("list.csv:12", "no such file", "caf\\udce9.jpg"),
    ]
    assert (records[2].path, records[2].problem) == ("a/3.tif", "unsupported format")


def test_other_columns_are_refused(touch):
    root = touch("a.jpg")
    (root / "list.csv").write_text("file,label\na.jpg,rose\n")
    with pytest.raises(InputError, match=r"\*\.csv with path and label"):
        auto.read(root, DataConfig())
