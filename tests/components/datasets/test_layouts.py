import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.datasets.examples import make_example
from components.datasets.layouts import (
    SHIPPED,
    auto,
    class_folders,
    flat_names,
    load_reader,
    masks,
    points,
    tfrecord,
)
from components.datasets.records import Record
from components.datasets.settings import DataConfig
from serving.errors import InputError

DATA = DataConfig()


def test_class_folders_with_all_that_lies_in_them(touch):
    root = touch("Cat/10.jpg", "Cat/2.JPG", "Cat/._0.jpg", "Cat/Thumbs.db", "Cat/note.txt")
    touch("dog/rex.webp", "dog/8b.GIF", "dog/old/7.bmp", "dog/more.jpg/x.jpeg", "dog/a.tif")
    touch("readme.txt", "cover.png", ".git/3.jpg", "__MACOSX/Cat/1.jpg", "Empty/")
    listing = auto.read(root, DATA)
    assert [(r.path, r.label, r.number, r.problem) for r in listing.records] == [
        ("Cat/10.jpg", "Cat", 10, None),
        ("Cat/2.JPG", "Cat", 2, None),
        ("cover.png", None, None, "in no class's folder"),
        ("dog/8b.GIF", "dog", None, None),
        ("dog/a.tif", "dog", None, "unsupported format"),
        ("dog/more.jpg/x.jpeg", "dog", None, None),
        ("dog/old/7.bmp", "dog", None, None),
        ("dog/rex.webp", "dog", None, None),
    ]
    assert listing.classes == ("Cat", "Empty", "dog")


@pytest.mark.parametrize("other", [["valid", "Test"], ["val"], ["TEST"]])
def test_split_folders_of_class_folders(touch, other):
    folders = ["train", *other]
    root = touch(*(f"{f}/{c}/{n}.jpg" for f in folders for c in ("rose", "iris") for n in (1, 2)))
    touch("train/stray.jpg", "train.csv.jpg")
    listing = auto.read(root, DATA)
    splits = {r.path.partition("/")[0]: r.split for r in listing.records if r.label}
    expected = {"train": "train", "valid": "eval", "val": "eval", "Test": "test", "TEST": "test"}
    assert splits == {folder: expected[folder] for folder in folders}
    assert listing.classes == ("iris", "rose")
    assert listing.notes == []
    assert {r.path for r in listing.records if r.problem} == {"train/stray.jpg", "train.csv.jpg"}
    assert {r.number for r in listing.records} == {1, 2, None}


def test_what_lies_beside_the_splits_and_links_are_told(touch):
    root = touch(*(f"{s}/{c}/1.jpg" for s in ("train", "val") for c in ("rose", "iris")))
    touch("holdout/rose/2.jpg", "train/.lily/3.jpg", "more/deep/4.jpg")
    (root / "train/rose/gone.jpg").symlink_to("annex/objects")
    (root / "train/rose/linked").symlink_to(root / "more")
    (root / "train/rose/up").symlink_to(root / "train")
    listing = auto.read(root, DATA)
    assert [(r.path, r.problem) for r in listing.records if r.problem or "deep" in r.path] == [
        ("holdout/rose/2.jpg", "in no split's folder"),
        ("more/deep/4.jpg", "in no split's folder"),
        ("train/rose/gone.jpg", "broken link"),
        ("train/rose/linked/deep/4.jpg", None),
    ]
    assert listing.notes == ["left out, as their names begin with a dot: .lily"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"path;label\na;b", "path;label"),
        (b"file,class\n", "file, class"),
        (b"path\tlabel", "path.label"),
        ("path,label".encode("utf-16"), "UTF-16"),
    ],
)
def test_tables_that_are_passed_over_are_told(touch, content, told):
    root = touch("rose/1.jpg", "iris/1.jpg")
    (root / "list.csv").write_bytes(content)
    (note,) = auto.read(root, DATA).notes
    assert re.search(f"^'list.csv' is not read: its first line has {told}, not path, label$", note)


def test_flat_names(touch):
    root = touch("cat.0.jpg", "CAT.12.JPG", "dog.3.png", "dog.jpg", "a_7.jpg")
    touch("._cat.0.jpg", "more/cat.1.jpg")
    assert auto.read(root, DATA).records == [
        Record("CAT.12.JPG", label="cat", number=12),
        Record("a_7.jpg", problem="no class in file name"),
        Record("cat.0.jpg", label="cat", number=0),
        Record("dog.3.png", label="dog", number=3),
        Record("dog.jpg", problem="no class in file name"),
        Record("more/cat.1.jpg", problem="no class in file name"),
    ]


def test_flat_names_without_points(touch):
    found = auto.read(touch("shiba_inu_12.jpg", "pug-3.jpg"), DATA).records
    assert [(r.label, r.number) for r in found] == [("pug", 3), ("shiba_inu", 12)]


def test_a_name_that_is_not_utf8_is_a_problem_and_not_a_crash(touch):
    root = touch("Cat/0.jpg", "Dog/0.jpg")
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/Cat/caf\xe9.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    problems = [record.problem for record in auto.read(root, DATA).records]
    assert sorted(problems, key=str) == [None, None, "file name is not UTF-8"]


@pytest.mark.parametrize("layout", [auto, class_folders, flat_names, masks, points, tfrecord])
def test_folders_that_hold_nothing_are_refused(touch, layout):
    root = touch("file", "notes/", "notes/readme.txt")
    for name, found in (("notes", "readme.txt"), ("none", "nothing"), ("file", "a file")):
        with pytest.raises(InputError, match=f"found {found}") as error:
            layout.read(root / name, DATA)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("files", "read", "hint"),
    [
        (["Images/Cat/0.jpg", "Images/Dog/0.jpg"], auto.read, "Images' is .* 'class_folders'"),
        (["a/Cat/0.jpg", "a/Dog/0.jpg"], class_folders.read, "a' is .* 'class_folders'"),
        (["Cat/0.jpg", "Dog/0.jpg"], masks.read, "this folder is .* 'class_folders'"),
        (["images/a.jpg", "masks/a.png"], auto.read, "'masks' of the task image_segmentation"),
        (["images/a.jpg", "masks/"], masks.read, "expected images in images/ and .png masks in"),
        (["a.jpg", "list.csv"], auto.read, "csv': expected the columns path, label .* nothing"),
        (["images/1.jpg", "list.csv"], auto.read, "list.csv': expected the columns path, label"),
        (["images/b.jpg", "masks/a.png"], masks.read, "named as the images, found images/"),
    ],
)
def test_a_refusal_names_what_would_fit(touch, files, read, hint):
    with pytest.raises(InputError, match=hint):
        read(touch(*files), DATA)


@pytest.mark.parametrize("layout", ["csv", "flat_names", "oxford_list"])
def test_all_that_looks_like_a_picture_is_found(touch, layout):
    folder = "images/" if layout == "oxford_list" else ""
    named = [f"{folder}cat_1.jpg", f"{folder}dog_1.jpg"]
    root = touch(*named, f"{folder}dog_2.heic", "beside/x.jpg", "beside/y.TIF", "annotations/z.txt")
    links = {f"{folder}cat_2.jpg": "nowhere", f"{folder}cat_3.jpg": "cat_3.jpg", "0.png": "0.png/0"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    rows = [f"cat_{number} 1 1 1" for number in (1, 2, 3)] + ["dog_1 2 2 1", "dog_2 2 2 1"]
    if layout == "oxford_list":
        touch("annotations/trimaps/dog_1.png", "annotations/trimaps/none.png")
        (root / "annotations/list.txt").write_text("\n".join(rows))
    elif layout == "csv":
        (root / "list.csv").write_text("path,label\ncat_1.jpg,cat\ndog_1.jpg,dog\n")
    listing = load_reader(layout, SHIPPED, "layout")(root, DATA)
    usable = [record.path for record in listing.records if not record.problem]
    assert (usable, listing.missing) == (named, 0)
    looks = [*named, f"{folder}dog_2.heic", "beside/x.jpg", "beside/y.TIF", *links]
    assert sorted(record.path for record in listing.records) == sorted(looks)


def test_rows_name_images_and_each_bad_one_is_counted(touch):
    root = touch("a/1.jpg", "a/2.jpg", "a/3.tif", "../outside.jpg")
    rows = [
        "rose,a/1.jpg,,train",
        "iris,./a/../a/2.jpg,x,VAL",
        "iris,a/3.tif,x,test",
        "rose,a/9.jpg,x,train",
        "rose,../outside.jpg,x,train",
        f"rose,{root}/a/1.jpg,x,",
        ",a/1.jpg,x,train",
        "rose,a/1.jpg,x,first",
        "rose",
        "rose,a/1.jpg,x,train,more",
        "rose,caf\udce9.jpg,x,train",
        f"rose,{'x' * 300}.jpg,x,train",
        "rose,a:..4.jpg,x,test",
    ]
    touch("a:..4.jpg", "..4.jpg", "b/5.jpg")
    text = "\n".join(["label,Path,note,split", *rows])
    (root / "list.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    records = auto.read(root, DATA).records
    assert records[:2] == [
        Record("a/1.jpg", label="rose", split="train"),
        Record("a/2.jpg", label="iris", split="eval"),
    ]
    assert [(r.path, r.problem, r.detail) for r in records[3:]] == [
        ("list.csv:5", "no such file", "a/9.jpg"),
        ("list.csv:6", "outside the data folder", "../outside.jpg"),
        ("a/1.jpg", None, ""),  # by its whole path, and without a split
        ("list.csv:8", "no label", "a/1.jpg"),
        ("list.csv:9", "unknown split", "first"),
        ("list.csv:10", "missing column", "path"),
        ("list.csv:11", "surplus column", "5 fields, 4 in the header"),
        ("list.csv:12", "no such file", "caf\\udce9.jpg"),
        ("list.csv:13", "no such file", f"{'x' * 300}.jpg"),
        ("a:..4.jpg", None, ""),
        ("b/5.jpg", "not in the list", ""),
    ]
    assert [r.split for r in records if not r.problem] == ["train", "eval", None, "test"]
    assert (records[2].path, records[2].problem) == ("a/3.tif", "unsupported format")


@pytest.mark.parametrize("folder", ["masks", "annotations/trimaps", "labels"])
def test_images_and_masks_are_paired_by_stem(touch, folder):
    root = touch("images/a.b_1.jpg", "images/Cat_2.JPG", "images/x.jpg", "images/A.mat")
    touch("images/z.gif", "images/._y.jpg", "images/q.heic")
    touch(*(f"{folder}/{name}" for name in ("a.b_1.png", "Cat_2.tif", "y.png", "q.png")))
    touch(f"{folder}/._x.png", f"{folder}/x.xml", f"{folder}/z.jpg")
    assert sorted(masks.read(root, DATA).records, key=lambda r: r.path.rpartition("/")[2]) == [
        Record("images/Cat_2.JPG", mask_path=f"{folder}/Cat_2.tif"),
        Record("images/a.b_1.jpg", mask_path=f"{folder}/a.b_1.png"),
        Record(
            "images/q.heic",
            mask_path=f"{folder}/q.png",
            problem="unsupported format",
            detail=".heic is none of .jpg, .jpeg, .png, .bmp, .gif, .webp",
        ),
        Record("images/x.jpg", problem="no mask"),
        Record(f"{folder}/y.png", problem="mask without image"),
        Record("images/z.gif", mask_path=f"{folder}/z.jpg", problem="mask in a format with losses"),
    ]


@pytest.mark.parametrize(
    "names", [("Images/1.jpg", "Masks/1.png"), ("images/1.jpg", "masks/1_mask.png")]
)
def test_pairs_in_capitals_and_with_a_suffix_and_what_is_in_none(touch, names):
    root = touch(*names, *(name.replace("1", "2") for name in names))
    images = names[0].partition("/")[0]
    touch(f"{images}/deeper/3.jpg", "preview.png")
    found = {r.path: (r.mask_path, r.problem) for r in masks.read(root, DATA).records}
    assert found == {
        names[0]: (names[1], None),
        names[0].replace("1", "2"): (names[1].replace("1", "2"), None),
        f"{images}/deeper/3.jpg": (None, "in no folder of pairs"),
        "preview.png": (None, "in no folder of pairs"),
    }


@pytest.mark.parametrize("path", ["{split}/{part}/1.png", "{part}/{split}/1.png"])
def test_split_folders_of_pairs(touch, path):
    parts = [(split, part) for split in ("train", "val") for part in ("images", "masks")]
    root = touch(*(path.format(split=split, part=part) for split, part in parts))
    aside = path.format(split="holdout", part="images")
    touch(aside)
    records = masks.read(root, DATA).records
    assert [(r.path, r.problem) for r in records if r.problem] == [(aside, "in no folder of pairs")]
    assert {r.split: (r.path, r.mask_path) for r in records if r.split} == {
        told: tuple(path.format(split=split, part=part) for part in ("images", "masks"))
        for split, told in (("train", "train"), ("val", "eval"))
    }


LIST = """#Image CLASS-ID SPECIES BREED ID
Abyssinian_1 1 1 1
Abyssinian_2 1 1 1
shiba_inu_7 34 2 24
american_bulldog_3 2 2 1
Bengal_1 6 1 2
Bengal_2 6 3 2
"""


@pytest.mark.parametrize(
    ("labels", "classes"),
    [("breed", ("Abyssinian", "american_bulldog", "shiba_inu")), ("species", ("cat", "dog"))],
)
def test_the_list_tells_the_class_and_what_is_missing(touch, labels, classes):
    names = ("Abyssinian_1", "american_bulldog_3", "shiba_inu_7", "Bengal_2", "new_1")
    root = touch(*(f"images/{name}.jpg" for name in names), "images/Abyssinian_1.mat")
    touch("images/more/Abyssinian_2.jpg")
    touch("annotations/trimaps/shiba_inu_7.png", "annotations/trimaps/._new_1.png")
    (root / "annotations/list.txt").write_text(LIST)
    listing = auto.read(root, DataConfig(labels=labels))
    assert (listing.classes, listing.missing) == (classes, 2)
    assert [(r.path, r.problem) for r in listing.records if r.problem] == [
        ("annotations/list.txt:7", "unreadable row"),
        ("images/Bengal_2.jpg", "not in the list"),
        ("images/more/Abyssinian_2.jpg", "not in the list"),
        ("images/new_1.jpg", "not in the list"),
    ]
    assert listing.records[-1] == Record(
        "images/shiba_inu_7.jpg", label=classes[-1], mask_path="annotations/trimaps/shiba_inu_7.png"
    )


POINTS = '\ufefflabel, y ,id,x\r\npositive,"2.5",a,-1\r\n\r\n negative , 0.1,b,1e2\r\n'


def test_rows_are_read_by_their_header_and_named_by_file_and_line(tmp_path):
    for name, text in {
        "points": POINTS,
        "a": "x,y,label\n3,4,negative\n",
        "other": "x,z,label\n1,2,positive\n",
        "empty": "",
        ".hidden": "x,y,label\n9,9,negative\n",
    }.items():
        (tmp_path / f"{name}.csv").write_text(text, "utf-8", newline="")
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
    (tmp_path / "points.csv").write_text("\n".join(["x,y,label", *rows]) + "\n")
    records = points.read(tmp_path, DATA).records
    assert [(r.problem, r.detail) for r in records[::2]] == list(BAD.values())
    assert {(r.problem, r.values) for r in records[1::2]} == {(None, (1.0, 2.0))}


def test_a_folder_that_is_no_points_says_what_it_is(tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table/points.csv").write_text("a;b\n1;2\n")
    with pytest.raises(InputError, match=r"points\.csv'.*columns x, y, label.*found a;b"):
        points.read(tmp_path / "table", DATA)
    with pytest.raises(InputError, match=r"'points': expected \*\.csv .*found table/"):
        points.read(tmp_path, DATA)  # one level too high


def _write_shard(path, examples: list[dict[str, bytes | int]], compression: str = "") -> None:
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for values in examples:
            writer.write(make_example(values).SerializeToString())


def test_shards_with_the_names_of_slim(tmp_path):
    rose = {"image/encoded": b"1", "image/class/text": b"rose", "image/class/label": 4}
    _write_shard(tmp_path / "train-00000-of-00002.gz", [rose], "GZIP")
    _write_shard(tmp_path / "train-00001-of-00002", [{**rose, "image/class/text": b"iris"}])
    _write_shard(tmp_path / "validation-00000-of-00001", [rose, {"image/format": b"jpeg"}])
    broken = (tmp_path / "train-00001-of-00002").read_bytes()
    (tmp_path / "train-00001-of-00002").write_bytes(broken + b"no record" * 9)
    listing = auto.read(tmp_path, DATA)
    assert [(r.path, r.label, r.content, r.split, r.problem) for r in listing.records] == [
        ("train-00000-of-00002.gz:0", "rose", b"1", "train", None),
        ("train-00001-of-00002:0", "iris", b"1", "train", None),
        ("train-00001-of-00002:1", None, None, "train", "broken shard"),
        ("validation-00000-of-00001:0", "rose", b"1", "eval", None),
        ("validation-00000-of-00001:1", None, None, "eval", "no such feature"),
    ]


def test_keys_are_mapped_and_numbers_are_names(tmp_path):
    examples = [{"jpg": b"image", "y": number, "seg": b"mask"} for number in (10, 9)]
    _write_shard(tmp_path / "data.tfrecord", examples)
    with pytest.raises(InputError, match=r"data\.features\.image: .* jpg, seg, y, found none of"):
        tfrecord.read(tmp_path, DATA)
    keys = {"image": "jpg", "label": "y", "mask": "seg"}
    for wrong in ("label", "mask"):
        with pytest.raises(InputError, match=rf"features\.{wrong}: .* jpg, seg, y, found 'other'"):
            tfrecord.read(tmp_path, DataConfig(features=keys | {wrong: "other"}))
    with pytest.raises(InputError, match=r"data\.features\.label: .* found none of image/class"):
        tfrecord.read(tmp_path, DataConfig(features={"image": "jpg"}))
    listing = tfrecord.read(tmp_path, DataConfig(features=keys))
    assert [record.label for record in listing.records] == ["10", "9"]
    assert {(r.content, r.mask, r.split) for r in listing.records} == {(b"image", b"mask", None)}
