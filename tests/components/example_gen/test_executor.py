"""The whole step in Beam, on drawn pictures and what else lies about in a real folder."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components import features as f
from serving.errors import InputError

COUNT, GROWN = 24, 44
SIZE = (72, 56)


def _draw(root: Path, count: int) -> None:
    from components.datasets.synth import synthesize

    synthesize(root, "cats_dogs", count, size=SIZE)


def _decode(encoded: bytes) -> np.ndarray:
    """As the project does (JPEG decoders differ by a grey level)."""
    from components.preprocessing import decode_pixels

    return decode_pixels(encoded).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    _draw(root, COUNT)
    # Cat/0: two copies, one of them losslessly in another container.
    shutil.copy(root / "Cat/0.jpg", root / "Cat/copy.jpg")
    Image.fromarray(_decode((root / "Cat/0.jpg").read_bytes())).save(root / "Cat/zcopy.png")
    # Dog/3: the same pixels under the other label.
    shutil.copy(root / "Dog/3.jpg", root / "Cat/other.jpg")
    (root / "Cat/empty.jpg").write_bytes(b"")
    (root / "Dog/text.jpg").write_text("no picture")
    whole = (root / "Dog/0.jpg").read_bytes()
    (root / "Dog/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "Dog/gone.jpg").symlink_to(root / "nowhere")
    Image.new("RGB", (8, 8)).save(root / "Dog/small.png")
    Path(os.fsdecode(os.fsencode(root) + b"/Dog/\xff.jpg")).write_bytes(whole)
    return root


BAD = {
    "Cat/copy.jpg": "duplicate",
    "Cat/zcopy.png": "duplicate",
    "Cat/other.jpg": "same pixels under another label",
    "Dog/3.jpg": "same pixels under another label",
    "Cat/empty.jpg": "not a picture",
    "Dog/text.jpg": "not a picture",
    "Dog/cut.jpg": "not a picture",
    "Dog/small.png": "too small",
    "Dog/\\udcff.jpg": "file name is not UTF-8",
}
DRAWN = {f"{name}/{i}.jpg" for name in ("Cat", "Dog") for i in range(COUNT // 2)}


@pytest.fixture(scope="module")
def ingested(ingest, folder, tmp_path_factory):
    return ingest(folder, tmp_path_factory.mktemp("ingested"))


def test_found_is_accepted_and_refused(ingested):
    # A dangling link is no file, so the listing does not take it for a picture.
    assert {path: reason for path, (reason, _) in ingested.refused.items()} == BAD
    assert set(ingested.split_of) == DRAWN - {"Dog/3.jpg"}
    summary = ingested.summary
    assert summary["quarantined"] == dict(Counter(BAD.values()))
    assert summary["accepted"] == COUNT - 1 == sum(summary["splits"].values())
    assert summary["found"] == summary["accepted"] + sum(summary["quarantined"].values())
    assert summary["splits"] == {name: len(files) for name, files in ingested.splits.items()}


def test_details_name_the_other_file(ingested):
    assert ingested.refused["Cat/copy.jpg"][1] == "same pixels as Cat/0.jpg"
    assert ingested.refused["Dog/3.jpg"][1] == "also Cat/other.jpg"
    assert ingested.refused["Cat/other.jpg"][1] == "also Dog/3.jpg"


def test_examples_hold_the_pictures(ingested, folder):
    for files in ingested.splits.values():
        for path, example in files.items():
            assert example[f.IMAGE] == (folder / path).read_bytes()
            assert (example[f.WIDTH], example[f.HEIGHT]) == SIZE
            assert example[f.LABEL] == path.startswith("Dog")


def test_split_follows_the_key(ingested):
    from components.example_gen.split_key import split_index, split_key

    for index, name in enumerate(f.SPLITS):
        for example in ingested.splits[name].values():
            key = example[f.KEY].decode()
            assert key == split_key(_decode(example[f.IMAGE]))
            assert split_index(key, [2, 1, 1]) == index


def test_two_workers_make_the_same_examples(ingest, ingested, folder, tmp_path):
    workers = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    again = ingest(folder, tmp_path, workers)
    assert again.splits == ingested.splits
    assert again.refused == ingested.refused
    assert again.summary == ingested.summary


def test_growing_moves_no_picture_and_copies_can_be_kept(ingest, ingested, folder, tmp_path):
    grown = tmp_path / "grown"
    shutil.copytree(folder, grown, symlinks=True)
    _draw(grown, GROWN)
    result = ingest(grown, tmp_path / "out", drop_duplicates=False)
    kept = {"Cat/copy.jpg", "Cat/zcopy.png", "Cat/other.jpg", "Dog/3.jpg"}
    drawn = {f"{name}/{i}.jpg" for name in ("Cat", "Dog") for i in range(GROWN // 2)}
    assert set(result.split_of) == drawn | kept
    assert set(result.refused) == set(BAD) - kept
    assert {path: result.split_of[path] for path in ingested.split_of} == ingested.split_of
    # Pictures that look the same stay together.
    assert len({result.split_of[path] for path in ("Cat/0.jpg", "Cat/copy.jpg")}) == 1
    assert len({result.split_of[path] for path in ("Dog/3.jpg", "Cat/other.jpg")}) == 1
    assert result.summary["found"] == len(result.split_of) + len(result.refused)


def test_book_small_goes_by_number(ingest, folder, tmp_path):
    data = tmp_path / "data"
    numbers = [0, 999, 1000, 1499, 1500, 2499, 2500]
    for index, number in enumerate(numbers):
        for name in ("Cat", "Dog"):
            (data / name).mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name / f"{index + 4}.jpg", data / name / f"{number}.jpg")
    shutil.copy(folder / "Cat/0.jpg", data / "Cat/rex.jpg")
    # Outside the splits: neither read, nor the first of two equals (its path comes before 999).
    shutil.copy(data / "Cat/999.jpg", data / "Cat/5000.jpg")
    (data / "Dog/7000.jpg").write_bytes(b"")
    result = ingest(data, tmp_path / "out", split="book_small")
    expected = {"train": (0, 999), "eval": (1000, 1499), "test": (1500, 2499)}
    for split, inside in expected.items():
        files = {f"{name}/{n}.jpg" for name in ("Cat", "Dog") for n in inside}
        assert set(result.splits[split]) == files
    reason = "not in split book_small"
    assert result.refused == {
        "Cat/2500.jpg": (reason, "file number 2500"),
        "Dog/2500.jpg": (reason, "file number 2500"),
        "Cat/5000.jpg": (reason, "file number 5000"),
        "Dog/7000.jpg": (reason, "file number 7000"),
        "Cat/rex.jpg": (reason, "file number None"),
    }
    assert result.summary["found"] == 17


def test_a_split_without_pictures_is_told(ingest, tmp_path):
    data = tmp_path / "data"
    _draw(data, 1)
    with pytest.raises(InputError) as caught:
        ingest(data, tmp_path / "out", split="book_small")
    text = str(caught.value)
    assert "found none for eval, test" in text
    assert str(data) in text
    assert "\n" not in text
