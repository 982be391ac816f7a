import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from components.datasets import LAYOUTS, Picture, check, list_pictures
from serving.errors import InputError


def _touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_class_folders_whatever_their_case(tmp_path):
    _touch(tmp_path, "Cat/10.jpg", "Cat/2.JPG", "dog/7.jpeg", "dog/rex.png", "dog/8b.jpg")
    assert list_pictures(tmp_path, "cats_dogs") == [
        Picture("Cat/10.jpg", label=0, number=10),
        Picture("Cat/2.JPG", label=0, number=2),
        Picture("dog/7.jpeg", label=1, number=7),
        Picture("dog/8b.jpg", label=1, number=None),
        Picture("dog/rex.png", label=1, number=None),
    ]


def test_strangers_in_class_folders_are_passed_over(tmp_path):
    _touch(tmp_path, "Cat/0.jpg", "Cat/Thumbs.db", "Cat/._0.jpg", "Cat/.hidden.jpg", "Cat/note.txt")
    _touch(tmp_path, "Dog/1.jpg", "Dog/more.jpg/2.jpg", "readme.txt", "cover.jpg", ".git/3.jpg")
    assert [p.path for p in list_pictures(tmp_path, "cats_dogs")] == ["Cat/0.jpg", "Dog/1.jpg"]


def test_one_folder_with_the_class_in_the_name(tmp_path):
    _touch(tmp_path, "cat.0.jpg", "CAT.12.JPG", "dog.3.png", "dog.jpg", "7.jpg", "._cat.0.jpg")
    assert list_pictures(tmp_path, "cats_dogs") == [
        Picture("7.jpg", problem="no class in file name"),
        Picture("CAT.12.JPG", label=0, number=12),
        Picture("cat.0.jpg", label=0, number=0),
        Picture("dog.3.png", label=1, number=3),
        Picture("dog.jpg", problem="no class in file name"),
    ]


def test_pets_are_paired_by_stem(tmp_path):
    _touch(
        tmp_path, "images/a.b_1.jpg", "images/Cat_2.JPG", "images/x.jpg", "images/Abyssinian.mat"
    )
    masks = "annotations/trimaps"
    _touch(tmp_path, *(f"{masks}/{name}" for name in ("a.b_1.png", "Cat_2.png", "y.png")))
    _touch(tmp_path, f"{masks}/._x.png", f"{masks}/x.xml", "images/._y.jpg")
    assert list_pictures(tmp_path, "pets") == [
        Picture(f"{masks}/y.png", problem="mask without picture"),
        Picture("images/Cat_2.JPG", mask_path=f"{masks}/Cat_2.png"),
        Picture("images/a.b_1.jpg", mask_path=f"{masks}/a.b_1.png"),
        Picture("images/x.jpg", problem="no mask"),
    ]


def test_a_name_that_is_not_utf8_is_a_problem_and_not_a_crash(tmp_path):
    _touch(tmp_path, "Cat/0.jpg")
    broken = os.fsencode(tmp_path) + b"/Cat/caf\xe9.jpg"
    try:
        Path(os.fsdecode(broken)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    problems = [p.problem for p in list_pictures(tmp_path, "cats_dogs")]
    assert sorted(problems, key=str) == [None, "file name is not UTF-8"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_something_else_is_refused_with_what_was_found(tmp_path, layout):
    _touch(tmp_path, "Bird/0.jpg", "notes.txt")
    with pytest.raises(InputError) as error:
        list_pictures(tmp_path, layout)
    line = str(error.value)
    assert "\n" not in line
    assert "Bird/, notes.txt" in line
    assert ("Cat/*.jpg" if layout == "cats_dogs" else "annotations/trimaps") in line


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_and_empty_folders_are_refused(tmp_path, layout):
    with pytest.raises(InputError, match="found an empty folder"):
        list_pictures(tmp_path, layout)
    with pytest.raises(InputError, match="found nothing"):
        list_pictures(tmp_path / "none", layout)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        list_pictures(tmp_path / "file", layout)


def test_the_refusal_names_the_folder_or_layout_that_would_fit(tmp_path):
    _touch(tmp_path, "PetImages/Cat/0.jpg", "PetImages/Dog/0.jpg")
    with pytest.raises(InputError, match=r"PetImages' is in the layout 'cats_dogs'"):
        list_pictures(tmp_path, "cats_dogs")
    with pytest.raises(InputError, match="this folder is in the layout 'cats_dogs'"):
        list_pictures(tmp_path / "PetImages", "pets")
    _touch(tmp_path, "oxford/images/a.jpg", "oxford/annotations/trimaps/a.png")
    with pytest.raises(InputError, match=r"oxford' is in the layout 'pets'"):
        list_pictures(tmp_path, "pets")


def test_pets_without_any_mask_are_refused(tmp_path):
    _touch(tmp_path, "images/a.jpg")
    with pytest.raises(InputError, match="annotations/trimaps"):
        list_pictures(tmp_path, "pets")


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"layout of pictures: .*'coco'"):
        list_pictures(tmp_path, "coco")


def test_check_counts_every_file_once(tmp_path):
    _touch(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    _touch(tmp_path, "annotations/trimaps/a.png", "annotations/trimaps/z.png")
    counts = check(tmp_path, "pets")
    assert counts["found"] == 4
    assert counts["usable"] == counts["with_masks"] == 1
    assert counts["problems"] == {"mask without picture": 1, "no mask": 2}


def test_check_opens_the_files_only_when_asked(tmp_path):
    _touch(tmp_path, "Cat/0.jpg", "Dog/1.jpg")
    Image.new("RGB", (8, 8)).save(tmp_path / "Dog" / "0.jpg")
    assert check(tmp_path, "cats_dogs")["classes"] == {"cat": 1, "dog": 2}
    counts = check(tmp_path, "cats_dogs", verify=True)
    assert counts["classes"] == {"cat": 0, "dog": 1}
    assert counts["problems"] == {"unreadable": 2}
    assert counts["found"] == 3


def test_check_also_opens_masks(tmp_path):
    _touch(tmp_path, "annotations/trimaps/a.png")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "a.jpg")
    assert check(tmp_path, "pets", verify=True)["problems"] == {"unreadable": 1}


def test_listing_needs_no_heavy_library():
    heavy = "{'numpy', 'PIL', 'tensorflow', 'tfx'}"
    code = f"import sys, components.datasets; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
