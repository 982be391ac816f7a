"""The layouts of folders and names, as the layout that looks for itself reads them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.datasets.layouts import auto, class_folders, flat_names, masks
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
    assert {r.path for r in listing.records if r.problem} == {"train/stray.jpg", "train.csv.jpg"}
    assert {r.number for r in listing.records} == {1, 2, None}


def test_flat_names(touch):
    root = touch("cat.0.jpg", "CAT.12.JPG", "dog.3.png", "dog.jpg", "a_7.jpg", "._cat.0.jpg")
    assert auto.read(root, DATA).records == [
        Record("CAT.12.JPG", label="cat", number=12),
        Record("a_7.jpg", problem="no class in file name"),
        Record("cat.0.jpg", label="cat", number=0),
        Record("dog.3.png", label="dog", number=3),
        Record("dog.jpg", problem="no class in file name"),
    ]


def test_flat_names_without_points(touch):
    root = touch("shiba_inu_12.jpg", "pug-3.jpg")
    assert [(r.label, r.number) for r in auto.read(root, DATA).records] == [
        ("pug", 3),
        ("shiba_inu", 12),
    ]


def test_a_name_that_is_not_utf8_is_a_problem_and_not_a_crash(touch):
    root = touch("Cat/0.jpg", "Dog/0.jpg")
    try:
        Path(os.fsdecode(os.fsencode(root) + b"/Cat/caf\xe9.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    problems = [record.problem for record in auto.read(root, DATA).records]
    assert sorted(problems, key=str) == [None, None, "file name is not UTF-8"]


READERS = [auto.read, class_folders.read, flat_names.read, masks.read]


@pytest.mark.parametrize("read", READERS)
def test_folders_that_hold_nothing_are_refused(touch, read):
    root = touch("file", "notes/", "notes/readme.txt")
    with pytest.raises(InputError, match="found readme") as error:
        read(root / "notes", DATA)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="found nothing"):
        read(root / "none", DATA)
    with pytest.raises(InputError, match="found a file"):
        read(root / "file", DATA)


@pytest.mark.parametrize(
    ("files", "read", "hint"),
    [
        (["Images/Cat/0.jpg", "Images/Dog/0.jpg"], auto.read, "Images' is .* 'class_folders'"),
        (["a/Cat/0.jpg", "a/Dog/0.jpg"], class_folders.read, "a' is .* 'class_folders'"),
        (["Cat/0.jpg", "Dog/0.jpg"], masks.read, "this folder is .* 'class_folders'"),
        (["oxford/images/a.jpg", "oxford/annotations/trimaps/a.png"], masks.read, "oxford' is"),
        (["images/a.jpg", "masks/a.png"], auto.read, "'masks' of the task image_segmentation"),
    ],
)
def test_a_refusal_names_the_folder_or_layout_that_would_fit(touch, files, read, hint):
    with pytest.raises(InputError, match=hint):
        read(touch(*files), DATA)


def test_listing_needs_no_heavy_library():
    heavy = "{'numpy', 'PIL', 'tensorflow', 'tfx'}"
    code = (
        "import sys, components.datasets.layouts.auto, components.datasets.looking;"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
