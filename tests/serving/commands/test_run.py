"""`pawlens predict`, `explain` and `segment` against a real server."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from serving.client import BATCH_SIZE, ImageClient
from serving.commands import Options, run
from serving.errors import InputError

MODEL_NAME = "cats_vs_dogs"
COUNT = BATCH_SIZE + 2


@pytest.fixture
def images(tmp_path: Path, gray) -> list[Path]:
    """More images than a batch holds, brighter and brighter."""
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"pet_{index}.png" for index in range(COUNT)]
    for index, path in enumerate(paths):
        path.write_bytes(gray(25 * index))
    return paths


@pytest.fixture
def as_json(server) -> Options:
    return Options(partial(ImageClient, server.target), style="json")


def test_predict_as_json(as_json: Options, images, capsys) -> None:
    run("predict", images, as_json)
    rows = json.loads(capsys.readouterr().out)
    assert [row["image"] for row in rows] == [str(path) for path in images]
    dogs = [255 / 25 * row["probabilities"]["dog"] for row in rows]
    assert dogs == pytest.approx(list(range(COUNT)))


def test_predict_as_table(server, gray, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("[bold].png").write_bytes(gray(204))  # a name that must not be read as markup
    run("predict", [Path("[bold].png")], Options(partial(ImageClient, server.target)))
    table = capsys.readouterr().out
    assert "[bold].png" in table
    assert "dog 0.800" in table


def test_explain_saves_overlays(as_json: Options, images, tmp_path, capsys) -> None:
    before = [path.read_bytes() for path in images]
    out = tmp_path / "new" / "out"
    run("explain", images, as_json, output=out)
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == len(images)
    overlay = np.array(Image.open(out / "pet_4_overlay.png"))
    assert overlay.tolist() == [[100] * 4] * 4
    assert rows[4]["overlay"] == str(out / "pet_4_overlay.png")
    assert [path.read_bytes() for path in images] == before


def test_a_name_too_long_for_its_result_costs_no_other_image(as_json, images, tmp_path, capsys):
    long = images[1].rename(images[1].with_name("x" * 250 + ".png"))
    with pytest.raises(InputError, match=r"1 of \d+ images not answered: .*xxx.png: the name of"):
        run("explain", [images[0], long, *images[2:]], as_json, output=tmp_path / "out")
    rows = json.loads(capsys.readouterr().out)
    assert [list(row) for row in rows[:2]][1] == ["image", "error"]
    assert len(list((tmp_path / "out").iterdir())) == len(rows) - 1 == len(images) - 1


def test_explain_a_class(as_json: Options, images, tmp_path, capsys) -> None:
    run("explain", images, as_json, output=tmp_path, class_index=1)
    assert {row["label"] for row in json.loads(capsys.readouterr().out)} == {"dog"}
    # A wrong one is not blamed on the image.
    with pytest.raises(InputError, match=r"^--class-index: expected -1, 0 or 1$"):
        run("explain", images[:1], as_json, output=tmp_path, class_index=7)


def test_segment_saves_masks_in_the_folders_of_the_images(as_json, images, tmp_path, capsys):
    out = tmp_path / "out"
    run("segment", [tmp_path / "in"], as_json, MODEL_NAME, output=out)
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["class_fractions"] == {"0": 1.0, "1": 0.0, "2": 0.0}
    assert len(list((out / "in").iterdir())) == COUNT
    assert np.array(Image.open(out / "in" / "pet_9_mask.png")).max() == 2


def test_missing_image_is_told_before_anything_is_asked(images) -> None:
    with pytest.raises(InputError, match=r"absent\.png"):
        run("predict", [*images, Path("absent.png")], Options(partial(ImageClient, "127.0.0.1:1")))


def test_the_bad_images_are_named_at_the_end(server, images, tmp_path, capsys) -> None:
    for number in (2, 7):
        images[number].write_text("no image")
    listing = tmp_path / "list"
    listing.write_text(f"{tmp_path}/absent.png\n")
    options = Options(partial(ImageClient, server.target), files_from=listing, style="jsonl")
    told = rf"^3 of {COUNT + 1} images not answered: .*pet_2\.png: the server refuses it: "
    told += r".*pet_7\.png: .*absent\.png: expected an image file, found nothing there"
    with pytest.raises(InputError, match=told):
        run("predict", images, options)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == COUNT + 1
    assert [number for number, row in enumerate(rows) if "error" in row] == [2, 7, COUNT]
    assert rows[8]["probabilities"]["dog"] == pytest.approx(200 / 255)


def test_many_bad_images_are_counted(as_json: Options, images, capsys) -> None:
    for path in images:
        path.write_text("no image")
    many = rf"{COUNT} of {COUNT} .*pet_4.*and {COUNT - 5} more$"
    with pytest.raises(InputError, match=many) as told:
        run("predict", images, as_json)
    assert "pet_5" not in str(told.value)
    assert len(json.loads(capsys.readouterr().out)) == COUNT
    with pytest.raises(InputError, match=r"^image .*pet_0\.png: the server refuses it: "):
        run("predict", images[:1], as_json)


def test_unfit_models_are_named(as_json: Options, images, tmp_path) -> None:
    with pytest.raises(InputError, match=r"'pets_segmentation'.*--model-name"):
        run("segment", images[:1], as_json, "pets_segmentation", output=tmp_path)
    with pytest.raises(InputError, match=r"'cats_vs_dogs'.*--model-name"):
        run("predict", images[:1], Options(partial(as_json.client, version=7)))
