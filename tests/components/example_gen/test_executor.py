import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components import features as f
from components.datasets.synth import synthesize
from components.example_gen.splits import split_index
from components.preprocessing import decode_pixels  # JPEG decoders differ by a grey level
from components.tasks.images import split_key
from serving.errors import InputError

COUNT, GROWN = 24, 44
SIZE = (72, 56)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("images")
    synthesize(root, "class_folders", COUNT, size=SIZE)
    # Cat/0: two copies, one of them losslessly in another container.
    shutil.copy(root / "Cat/0.jpg", root / "Cat/copy.jpg")
    pixels = decode_pixels((root / "Cat/0.jpg").read_bytes()).numpy()
    Image.fromarray(pixels).save(root / "Cat/zcopy.png")
    # Dog/3: the same pixels under the other label.
    shutil.copy(root / "Dog/3.jpg", root / "Cat/other.jpg")
    (root / "Cat/empty.jpg").write_bytes(b"")
    (root / "Dog/text.jpg").write_text("no image")
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
    "Dog/gone.jpg": "broken link",
    "Dog/small.png": "too small",
    "Dog/\\udcff.jpg": "file name is not UTF-8",
}
DRAWN = {f"{name}/{i}.jpg" for name in ("Cat", "Dog") for i in range(COUNT // 2)}


@pytest.fixture(scope="module")
def ingested(ingest, folder, tmp_path_factory):
    return ingest(folder, tmp_path_factory.mktemp("ingested"))


def test_found_is_accepted_and_refused(ingested):
    assert {path: reason for path, (reason, _) in ingested.refused.items()} == BAD
    assert set(ingested.split_of) == DRAWN - {"Dog/3.jpg"}
    summary = ingested.summary
    assert summary["quarantined"] == dict(Counter(BAD.values()))
    assert summary["accepted"] == COUNT - 1 == sum(summary["splits"].values())
    assert summary["splits"] == {name: len(files) for name, files in ingested.splits.items()}
    assert (summary["classes"], summary["missing"], summary["notes"]) == (["Cat", "Dog"], 0, [])
    assert ingested.classes.names == ("Cat", "Dog")
    assert ingested.refused["Cat/copy.jpg"][1] == "same pixels as Cat/0.jpg"
    assert ingested.refused["Cat/other.jpg"][1] == "also Dog/3.jpg"


def test_examples_hold_the_images_in_the_split_of_their_key(ingested, folder):
    for index, name in enumerate(f.SPLITS):
        for path, example in ingested.splits[name].items():
            (encoded,) = example[f.IMAGE]
            assert encoded == (folder / path).read_bytes()
            assert (*example[f.WIDTH], *example[f.HEIGHT]) == SIZE
            assert example[f.LABEL] == [path.startswith("Dog")]
            key = example[f.KEY][0].decode()
            assert key == split_key(decode_pixels(encoded).numpy())
            assert split_index(key, [2, 1, 1]) == index


def test_two_workers_make_the_same_examples(ingest, ingested, folder, tmp_path):
    workers = ("--direct_running_mode=multi_threading", "--direct_num_workers=2")
    assert ingest(folder, tmp_path, workers) == ingested


def test_growing_moves_no_image_and_copies_can_be_kept(ingest, ingested, folder, tmp_path):
    grown = tmp_path / "grown"
    shutil.copytree(folder, grown, symlinks=True)
    synthesize(grown, "class_folders", GROWN, size=SIZE)
    result = ingest(grown, tmp_path / "out", drop_duplicates=False)
    kept = {"Cat/copy.jpg", "Cat/zcopy.png", "Cat/other.jpg", "Dog/3.jpg"}
    drawn = {f"{name}/{i}.jpg" for name in ("Cat", "Dog") for i in range(GROWN // 2)}
    assert set(result.split_of) == drawn | kept
    assert set(result.refused) == set(BAD) - kept
    assert {path: result.split_of[path] for path in ingested.split_of} == ingested.split_of
    # Images that look the same stay together.
    assert len({result.split_of[path] for path in ("Cat/0.jpg", "Cat/copy.jpg")}) == 1
    assert len({result.split_of[path] for path in ("Dog/3.jpg", "Cat/other.jpg")}) == 1


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
    outside = {"Cat/2500": 2500, "Dog/2500": 2500, "Cat/5000": 5000, "Dog/7000": 7000}
    assert result.refused == {
        f"{path}.jpg": ("not in split book_small", f"file number {number}")
        for path, number in (outside | {"Cat/rex": None}).items()
    }
    assert result.summary["found"] == 17


def test_given_splits_and_pinned_classes(ingest, folder, tmp_path):
    """train and val alone: val is the test split; other names of a class; a class left out."""
    data = tmp_path / "data"
    for split, numbers in (("train", (0, 1, 2, 4, 5, 6, 7, 8)), ("val", (9, 10))):
        for name in ("Cat", "Dog"):
            (data / split / f"{name}s").mkdir(parents=True)
            for number in numbers:
                shutil.copy(folder / name / f"{number}.jpg", data / split / f"{name}s")
    (data / "train/birds").mkdir()
    shutil.copy(folder / "Cat/11.jpg", data / "train/birds")
    result = ingest(data, tmp_path / "out", data={"classes": {"dog": ["dogs"], "cat": ["cats"]}})
    assert result.classes.names == ("dog", "cat")
    assert set(result.splits["test"]) == {
        f"val/{c}s/{n}.jpg" for c in ("Cat", "Dog") for n in (9, 10)
    }
    assert result.splits["eval"]
    assert all(path.startswith("train/") for path in result.splits["eval"])
    assert [reason for reason, _ in result.refused.values()] == ["class not in data.classes"]
    labels = {(*e[f.LABEL], *e[f.LABEL_NAME]) for s in result.splits.values() for e in s.values()}
    assert labels == {(0, b"dog"), (1, b"cat")}
    assert "eval is taken from train by hash" in result.summary["notes"][-1]


def test_book_pets_on_masks(ingest, tmp_path):
    """eval and test hold the same images, which are counted once; a bad mask is quarantined."""
    data = tmp_path / "data"
    synthesize(data, "masks", 12, size=SIZE)
    masks = sorted((data / "annotations/trimaps").iterdir())
    Image.fromarray(np.full(SIZE[::-1], 9, np.uint8)).save(masks[0])
    classes = {"foreground": 1, "background": 2, "contour": 3}
    result = ingest(
        data,
        tmp_path / "out",
        task="image_segmentation",
        data={"classes": classes},
        split="book_pets",
        validation=4,
    )
    assert result.refused == {f"images/{masks[0].stem}.jpg": ("mask values", "9, expected 1, 2, 3")}
    assert result.splits["eval"] == result.splits["test"]
    assert result.summary["found"] == 12
    assert result.summary["accepted"] == 11 == len(result.splits["train"] | result.splits["eval"])
    assert result.classes.names == tuple(classes)
    assert "eval and test hold the same 4 images" in result.summary["notes"][-1]


def test_a_class_of_broken_files_is_told_before_anything_is_learned(ingest, folder, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(folder, data, symlinks=True)
    (data / "broken").mkdir()
    (data / "broken/1.jpg").write_bytes((data / "Dog/0.jpg").read_bytes()[:900])
    told = r"images of every class in the train split, found none of 1: broken; .*not a picture: 4"
    with pytest.raises(InputError, match=told):
        ingest(data, tmp_path / "out")
    result = ingest(data, tmp_path / "again", data={"classes": ["Cat", "Dog"]})  # as is advised
    assert "function_node" not in str(result.refused)
    assert result.classes.names == ("Cat", "Dog")


def test_what_leaves_no_data_is_told_in_a_line(ingest, tmp_path):
    data = tmp_path / "data"
    synthesize(data, "class_folders", 2, size=SIZE)
    start = f"^data.path {data}: .*"
    told = r"images for every split, found none for eval, test \(train: 2,.*$"
    with pytest.raises(InputError, match=start + told):
        ingest(data, tmp_path / "out", split="book_small")
    for path in data.glob("*/*.jpg"):
        path.write_bytes(b"no image")
    told = "found nothing usable; quarantined of 2: not a picture: 2; add images.*$"
    with pytest.raises(InputError, match=start + told):
        ingest(data, tmp_path / "again")
