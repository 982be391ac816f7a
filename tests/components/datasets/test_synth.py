import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets import check, drawing, list_pictures
from components.datasets.synth import synthesize
from serving.errors import InputError


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.suffix in {".jpg", ".png"}
    }


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def _neighbours(values: np.ndarray, reach: int) -> np.ndarray:
    """All values within `reach` in both directions, [(2 reach + 1)^2, height, width]."""
    height, width = values.shape
    padded = np.pad(values, reach, mode="edge")
    steps = range(2 * reach + 1)
    return np.stack([padded[y : y + height, x : x + width] for y in steps for x in steps])


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pets")
    assert synthesize(root, "pets", 24) == 24
    return root


@pytest.mark.parametrize("layout", ["cats_dogs", "pets"])
def test_same_seed_same_bytes_and_growing_changes_nothing(tmp_path, layout):
    synthesize(tmp_path / "few", layout, 5)
    synthesize(tmp_path / "many", layout, 8)
    synthesize(tmp_path / "other", layout, 5, seed=2)
    few, many, other = (_digests(tmp_path / name) for name in ("few", "many", "other"))
    assert few.items() <= many.items()
    assert few.keys() == other.keys()
    assert not set(few.values()) & set(other.values())

    synthesize(tmp_path / "few", layout, 8)  # grown in place
    assert _digests(tmp_path / "few") == many
    synthesize(tmp_path / "many", layout, 3)  # and shrunk
    assert len(list_pictures(tmp_path / "many", layout)) == 3
    assert _digests(tmp_path / "many").items() <= many.items()


@pytest.mark.parametrize("layout", ["cats_dogs", "pets"])
def test_drawing_again_touches_no_file(tmp_path, layout):
    """Else an unchanged pipeline would take the same pictures for new ones."""
    synthesize(tmp_path, layout, 4)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/**/*.*")}
    changed = tmp_path / list_pictures(tmp_path, layout)[0].path
    content = changed.read_bytes()
    changed.write_bytes(b"spoilt")
    synthesize(tmp_path, layout, 4)
    assert changed.read_bytes() == content
    assert {path for path, time in times.items() if path.stat().st_mtime_ns != time} == {changed}


def test_class_folders_are_balanced_and_numbered_from_zero(tmp_path):
    synthesize(tmp_path, "cats_dogs", 9)
    pictures = list_pictures(tmp_path, "cats_dogs")
    assert [p.path for p in pictures if p.label == 0] == [f"Cat/{n}.jpg" for n in range(5)]
    assert [p.path for p in pictures if p.label == 1] == [f"Dog/{n}.jpg" for n in range(4)]
    assert check(tmp_path, "cats_dogs", verify=True)["usable"] == 9


def test_pets_follow_oxfords_names_and_all_have_masks(pets):
    pictures = list_pictures(pets, "pets")
    assert [p.problem for p in pictures] == [None] * 24
    stems = [Path(p.path).stem for p in pictures]
    assert sum(stem[0].isupper() for stem in stems) == 12  # cats, by Oxford's convention


def test_trimaps_fit_the_pictures_and_hold_the_three_values(pets):
    for picture in list_pictures(pets, "pets"):
        with Image.open(pets / picture.path) as image, Image.open(pets / picture.mask_path) as mask:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert (mask.format, mask.mode) == ("PNG", "L")
            assert mask.size == image.size
        assert np.unique(_pixels(pets / picture.mask_path)).tolist() == [1, 2, 3]


def test_contour_is_the_band_between_foreground_and_background(pets):
    for picture in list_pictures(pets, "pets"):
        mask = _pixels(pets / picture.mask_path)
        touching = _neighbours(mask, 1)
        assert not ((mask == 1) & (touching == 2).any(axis=0)).any()
        # An outline runs through the middle of the band, so no contour is far from either side.
        near = _neighbours(mask, 2 * drawing.CONTOUR_RADIUS + 1)
        assert (near[:, mask == 3] != 3).any(axis=0).all()
        share = (mask == 1).mean()
        assert 0.02 < share < 0.95


def test_a_trimap_is_exact_for_a_known_silhouette():
    silhouette = np.zeros((20, 30), np.uint8)
    silhouette[5:15, 8:20] = 255
    expected = np.full((20, 30), 2)
    expected[3:17, 6:22] = 3
    expected[7:13, 10:18] = 1
    np.testing.assert_array_equal(drawing.trimap(Image.fromarray(silhouette)), expected)


def test_the_silhouette_is_where_the_animal_is(monkeypatch):
    """With fur and details in one colour on a black scene, the picture is the silhouette."""
    size = (160, 120)
    scenery = drawing.scenery
    monkeypatch.setattr(scenery, "background", lambda rng, size: Image.new("RGB", size))
    monkeypatch.setattr(scenery, "fur", lambda rng, size: np.full((*size[::-1], 3), 1e6))
    monkeypatch.setattr(scenery, "coat", lambda rng, count: np.zeros((count, 3)))
    monkeypatch.setattr(scenery, "lit", lambda rng, image: image)
    monkeypatch.setattr(drawing.anatomy.Animal, "mark", lambda self, outline, colour: None)
    for seed in range(12):
        image, silhouette = drawing.draw(np.random.default_rng(seed), seed % 2, size)
        drawn = np.asarray(image)[..., 0] >= 128
        np.testing.assert_array_equal(drawn, np.asarray(silhouette) == 255)
        assert drawn.any()


def test_sizes_vary_unless_given(tmp_path, pets):
    sizes = {_pixels(pets / p.path).shape[:2] for p in list_pictures(pets, "pets")}
    assert len(sizes) > 12
    assert {height > width for height, width in sizes if height != width} == {True, False}
    synthesize(tmp_path, "cats_dogs", 3, size=(64, 48))
    shapes = {_pixels(tmp_path / p.path).shape for p in list_pictures(tmp_path, "cats_dogs")}
    assert shapes == {(48, 64, 3)}


def test_colours_do_not_tell_the_class(tmp_path):
    """A linear model on mean colour, measured on pictures it was not fitted to."""
    count = 320
    synthesize(tmp_path, "cats_dogs", count, size=(96, 96))
    pictures = list_pictures(tmp_path, "cats_dogs")
    colour = np.array([_pixels(tmp_path / p.path).mean(axis=(0, 1)) for p in pictures]) / 255
    inputs = np.hstack([colour, np.ones((count, 1))])
    sign = np.array([2 * p.label - 1 for p in pictures])
    fold = np.array([p.number for p in pictures]) % 5
    right = 0
    for held_out in range(5):
        train, test = fold != held_out, fold == held_out
        weights = np.linalg.lstsq(inputs[train], sign[train], rcond=None)[0]
        right += ((inputs[test] @ weights > 0) == (sign[test] > 0)).sum()
    assert right / count < 0.6
    assert colour.std(axis=0).min() > 0.05  # and not because all pictures have the same colours


def test_pictures_differ_in_their_coarse_layout(tmp_path):
    imagehash = pytest.importorskip("imagehash")
    synthesize(tmp_path, "cats_dogs", 60, size=(96, 96))
    hashes = []
    for picture in list_pictures(tmp_path, "cats_dogs"):
        with Image.open(tmp_path / picture.path) as image:
            hashes.append(imagehash.phash(image))
    distances = [a - b for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) >= 6  # of 64 bits


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="an empty folder") as error:
        synthesize(tmp_path, "cats_dogs", 2)
    assert str(tmp_path) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_in_the_way_and_another_layout_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        synthesize(tmp_path / "file", "pets", 2)
    synthesize(tmp_path / "made", "pets", 2)
    before = _digests(tmp_path / "made")
    with pytest.raises(InputError, match="found 'pets'"):
        synthesize(tmp_path / "made", "cats_dogs", 2)
    assert _digests(tmp_path / "made") == before


def test_shrinking_spares_files_of_others(tmp_path):
    synthesize(tmp_path, "cats_dogs", 6)
    (tmp_path / "Cat" / "77.jpg").write_bytes(b"mine")
    synthesize(tmp_path, "cats_dogs", 2)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg"))
    assert names == ["Cat/0.jpg", "Cat/77.jpg", "Dog/0.jpg"]


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"layout": "pets"})])
def test_a_broken_marker_is_told(tmp_path, content):
    synthesize(tmp_path, "pets", 1)
    (tmp_path / ".pawlens_synth.json").write_text(content)
    with pytest.raises(InputError, match=r"\.pawlens_synth\.json"):
        synthesize(tmp_path, "pets", 1)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"layout": "coco"}, "layout: .*'coco'"),
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"size": (8, 64)}, "size"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path, wrong, named):
    arguments = {"layout": "pets", "count": 2, **wrong}
    with pytest.raises(InputError, match=named):
        synthesize(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
