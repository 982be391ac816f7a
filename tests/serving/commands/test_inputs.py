"""Which images files, folders, lists and standard input stand for."""

import io
import os
import sys
from pathlib import Path

import pytest

from serving.commands.inputs import list_sources
from serving.errors import InputError

IN_PETS = ["a.JPEG", "b.jpg", "d.webp", "cats/0.gif", "cats/1.png", "dogs/old/1.bmp"]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `pets`, in the working directory."""
    others = ["pets/c.txt", "pets/.hidden.jpg", "pets/.cache/x.jpg", "single.jpg", "no_suffix"]
    for name in [*(f"pets/{name}" for name in reversed(IN_PETS)), *others]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _feed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def _listed(*images: str, **more: Path) -> list[tuple[str, str]]:
    return [(one.name, one.place) for one in list_sources([Path(i) for i in images], **more)]


def test_a_folder_stands_for_the_images_in_and_below_it() -> None:
    assert _listed("pets") == [(f"pets/{name}", f"pets/{name}") for name in IN_PETS]


def test_files_are_taken_whatever_their_suffix_and_in_their_order() -> None:
    files = ["single.jpg", "no_suffix", "pets/cats/1.png"]
    assert _listed(*files) == [(file, Path(file).name) for file in files]


def test_places_of_folders_never_lead_upwards(tree: Path, monkeypatch) -> None:
    monkeypatch.chdir(tree / "pets" / "cats")
    assert _listed(".") == [("0.gif", "0.gif"), ("1.png", "1.png")]
    assert _listed("..")[0] == ("../a.JPEG", "pets/a.JPEG")
    assert _listed("../dogs/..")[0] == ("../dogs/../a.JPEG", "pets/a.JPEG")
    assert _listed(str(tree / "pets" / "dogs"))[0][1] == "dogs/old/1.bmp"


def test_lists_keep_paths_that_lead_downwards(tree: Path) -> None:
    listing = tree / "list"
    listing.write_text(f"pets/b.jpg\n\n  \npets/dogs\r\n{tree}/single.jpg\n../up.jpg\nabsent.jpg\n")
    assert _listed("no_suffix", files_from=listing) == [
        ("no_suffix", "no_suffix"),
        ("pets/b.jpg", "pets/b.jpg"),
        ("pets/dogs/old/1.bmp", "pets/dogs/old/1.bmp"),
        (f"{tree}/single.jpg", "single.jpg"),
        ("../up.jpg", "up.jpg"),
        ("absent.jpg", "absent.jpg"),
    ]


def test_names_that_are_no_text(tree: Path) -> None:
    name = os.fsdecode(b"p\xff.jpg")
    try:
        Path(name).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes text only")
    (tree / "list").write_bytes(b"p\xff.jpg\n")
    assert _listed(files_from=tree / "list") == [(name, name)]


def test_standard_input_is_a_image_or_a_list(monkeypatch) -> None:
    _feed(monkeypatch, b"\x89PNG")
    (one,) = list_sources([Path("-")])
    assert (one.name, one.place, one.image) == ("-", "stdin", b"\x89PNG")
    _feed(monkeypatch, b"single.jpg\npets/b.jpg\n")
    assert [name for name, _ in _listed(files_from=Path("-"))] == ["single.jpg", "pets/b.jpg"]


def test_the_output_folder_is_no_input(tree: Path) -> None:
    assert [name for name, _ in _listed("pets", output=Path("pets/dogs"))] == [
        f"pets/{name}" for name in IN_PETS[:-1]
    ]
    assert len(_listed("pets", output=Path("pets"))) == len(IN_PETS)


@pytest.mark.parametrize(
    ("images", "files_from", "words"),
    [
        (["absent.jpg"], None, r"image absent\.jpg: expected an image file, found nothing"),
        (["empty"], None, r"folder empty: expected images \(\.jpg.*found none"),
        (["-", "-"], None, "standard input: expected one use, found 2"),
        (["-"], "-", "standard input: expected one use, found 2"),
        (["-"], None, "image -: expected an image on standard input, found nothing"),
        ([], "absent.txt", r"--files-from absent\.txt: .*found No such file"),
        ([], "pets", "--files-from pets: .*found Is a directory"),
    ],
)
def test_nothing_to_ask_about(monkeypatch, images, files_from, words: str) -> None:
    _feed(monkeypatch, b"")
    with pytest.raises(InputError, match=words):
        list_sources([Path(i) for i in images], Path(files_from) if files_from else None)
