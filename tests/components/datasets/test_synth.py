import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets import drawing, menagerie
from components.datasets.layouts import class_folders, masks, points
from components.datasets.records import Record
from components.datasets.settings import DataConfig
from components.datasets.synth import draw_points, synthesize
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


def _records(root: Path, layout: str = "class_folders") -> list[Record]:
    read = {"class_folders": class_folders.read, "masks": masks.read, "points": points.read}[layout]
    return read(root, DataConfig()).records


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("masks")
    assert synthesize(root, "masks", 24) == 24
    return root


@pytest.mark.parametrize(("layout", "classes"), [("class_folders", 2), ("masks", 2), ("masks", 4)])
def test_same_seed_same_bytes_and_growing_changes_nothing(tmp_path, layout, classes):
    def draw(name: str, count: int, **arguments) -> dict[str, str]:
        synthesize(tmp_path / name, layout, count, size=(64, 48), classes=classes, **arguments)
        return _digests(tmp_path / name)

    few, many, other = draw("few", 5), draw("many", 8), draw("other", 5, seed=2)
    assert few.items() <= many.items()
    assert few.keys() == other.keys()
    images = {path for path in few if path.endswith(".jpg")}
    assert not {few[path] for path in images} & {other[path] for path in images}
    assert draw("few", 8) == many  # grown in place
    assert draw("many", 3).items() <= many.items()  # and shrunk
    assert len(_records(tmp_path / "many", layout)) == 3


@pytest.mark.parametrize(
    ("layout", "digest"),
    [
        ("cats_dogs", "fc596b0a9cdba95d"),
        ("pets", "ad16f15d72253bd3"),
        ("blobs", "a471170df5592ea6"),
    ],
)
def test_what_was_drawn_before_is_still_drawn(tmp_path, layout, digest):
    """Figures in docs/results.md stand on it. The digests were made by Pillow 12.3."""
    synthesize(tmp_path, layout, 12, seed=5)
    drawn = hashlib.sha256()
    for path in sorted(tmp_path.rglob("*.*")):
        if path.is_file() and not path.name.startswith("."):
            drawn.update(str(path.relative_to(tmp_path)).encode() + path.read_bytes())
    assert drawn.hexdigest()[:16] == digest


def test_each_class_has_a_shape_of_its_own(tmp_path):
    count = len(menagerie.NAMES)
    synthesize(tmp_path, "class_folders", 2 * count, size=(48, 48), classes=count)
    records = _records(tmp_path)
    assert sorted((r.label, r.number) for r in records) == sorted(
        (name.capitalize(), number) for name in menagerie.NAMES for number in (0, 1)
    )
    # The same chance for all, so the silhouettes differ by the class alone.
    silhouettes = {
        drawing.draw(np.random.default_rng(3), label, (96, 96))[1].tobytes()
        for label in range(count)
    }
    assert len(silhouettes) == count


def test_label_maps_of_more_classes(tmp_path):
    synthesize(tmp_path, "masks", 6, size=(64, 48), classes=4)
    records = _records(tmp_path, "masks")
    assert {r.problem for r in records} == {None}
    values = [np.unique(_pixels(tmp_path / r.mask_path)).tolist() for r in records]
    assert values == [[0, label, 255] for label in (1, 2, 3, 1, 2, 3)]


def test_drawn_points_are_the_books_two_clouds():
    drawn = draw_points(20_000, seed=1)
    for label, mean in enumerate([(0, 3), (3, 0)]):
        cloud = drawn[label::2]
        assert cloud.shape == (10_000, 2)
        # Standard errors at this number: 0.01 of a mean, about 0.015 of a covariance.
        np.testing.assert_allclose(cloud.mean(axis=0), mean, atol=0.05)
        np.testing.assert_allclose(np.cov(cloud.T), [[1, 0.5], [0.5, 1]], atol=0.07)


def test_drawn_points_are_read_back(tmp_path):
    def content(count: int, seed: int = 4) -> bytes:
        assert synthesize(tmp_path, "points", count, seed=seed) == count
        return (tmp_path / "points.csv").read_bytes()

    few, many = content(5), content(30)
    assert many.startswith(few)
    records = _records(tmp_path, "points")
    np.testing.assert_allclose([r.values for r in records], draw_points(30, 4), atol=1e-6)
    assert [r.label for r in records] == ["negative", "positive"] * 15
    assert content(5) == few != content(5, seed=2)


@pytest.mark.parametrize("layout", ["class_folders", "masks"])
def test_drawing_again_touches_no_file(tmp_path, layout):
    """Else an unchanged pipeline would take the same images for new ones."""
    synthesize(tmp_path, layout, 4)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/**/*.*")}
    changed = tmp_path / _records(tmp_path, layout)[0].path
    content = changed.read_bytes()
    changed.write_bytes(b"spoilt")
    synthesize(tmp_path, layout, 4)
    assert changed.read_bytes() == content
    assert {path for path, time in times.items() if path.stat().st_mtime_ns != time} == {changed}


def test_class_folders_are_balanced_and_numbered_from_zero(tmp_path):
    synthesize(tmp_path, "class_folders", 9)
    records = _records(tmp_path)
    assert [p.path for p in records if p.label == "Cat"] == [f"Cat/{n}.jpg" for n in range(5)]
    assert [p.path for p in records if p.label == "Dog"] == [f"Dog/{n}.jpg" for n in range(4)]


def test_pets_follow_oxfords_names_and_all_have_masks(pets):
    records = _records(pets, "masks")
    assert [p.problem for p in records] == [None] * 24
    stems = [Path(p.path).stem for p in records]
    assert sum(stem[0].isupper() for stem in stems) == 12  # cats, by Oxford's convention


def test_trimaps_fit_the_images_and_hold_the_three_values(pets):
    for record in _records(pets, "masks"):
        with Image.open(pets / record.path) as image, Image.open(pets / record.mask_path) as mask:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert (mask.format, mask.mode) == ("PNG", "L")
            assert mask.size == image.size
        assert np.unique(_pixels(pets / record.mask_path)).tolist() == [1, 2, 3]


def test_contour_is_the_band_between_foreground_and_background(pets):
    for record in _records(pets, "masks"):
        mask = _pixels(pets / record.mask_path)
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
    """With fur and details in one colour on a black scene, the image is the silhouette."""
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
    sizes = {_pixels(pets / p.path).shape[:2] for p in _records(pets, "masks")}
    assert len(sizes) > 12
    assert {height > width for height, width in sizes if height != width} == {True, False}
    synthesize(tmp_path, "class_folders", 3, size=(64, 48))
    shapes = {_pixels(tmp_path / p.path).shape for p in _records(tmp_path)}
    assert shapes == {(48, 64, 3)}


def test_colours_do_not_tell_the_class(tmp_path):
    """A linear model on mean colour, measured on images it was not fitted to."""
    count = 320
    synthesize(tmp_path, "class_folders", count, size=(96, 96))
    records = _records(tmp_path)
    colour = np.array([_pixels(tmp_path / p.path).mean(axis=(0, 1)) for p in records]) / 255
    inputs = np.hstack([colour, np.ones((count, 1))])
    sign = np.array([2 * (p.label == "Dog") - 1 for p in records])
    fold = np.array([p.number for p in records]) % 5
    right = 0
    for held_out in range(5):
        train, test = fold != held_out, fold == held_out
        weights = np.linalg.lstsq(inputs[train], sign[train], rcond=None)[0]
        right += ((inputs[test] @ weights > 0) == (sign[test] > 0)).sum()
    assert right / count < 0.6
    assert colour.std(axis=0).min() > 0.05  # and not because all images have the same colours


def test_images_differ_in_their_coarse_layout(tmp_path):
    imagehash = pytest.importorskip("imagehash")
    synthesize(tmp_path, "class_folders", 60, size=(96, 96))
    hashes = []
    for record in _records(tmp_path):
        with Image.open(tmp_path / record.path) as image:
            hashes.append(imagehash.phash(image))
    distances = [a - b for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) >= 6  # of 64 bits


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="an empty folder") as error:
        synthesize(tmp_path, "class_folders", 2)
    assert str(tmp_path) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_in_the_way_and_another_layout_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="found a file"):
        synthesize(tmp_path / "file", "masks", 2)
    synthesize(tmp_path / "made", "masks", 2)
    before = _digests(tmp_path / "made")
    for layout, classes in (("class_folders", 2), ("masks", 5)):
        with pytest.raises(InputError, match="found 2 in 'masks'"):
            synthesize(tmp_path / "made", layout, 2, classes=classes)
    assert _digests(tmp_path / "made") == before


def test_shrinking_spares_files_of_others(tmp_path):
    synthesize(tmp_path, "class_folders", 6)
    (tmp_path / "Cat" / "77.jpg").write_bytes(b"mine")
    synthesize(tmp_path, "class_folders", 2)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg"))
    assert names == ["Cat/0.jpg", "Cat/77.jpg", "Dog/0.jpg"]


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"layout": "masks"})])
def test_a_broken_marker_is_told(tmp_path, content):
    synthesize(tmp_path, "masks", 1)
    (tmp_path / ".pawlens_synth.json").write_text(content)
    with pytest.raises(InputError, match=r"\.pawlens_synth\.json"):
        synthesize(tmp_path, "masks", 1)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"layout": "coco"}, "layout: .*'coco'"),
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"size": (8, 64)}, "size"),
        ({"classes": 1}, "classes: expected 2 to 12, found 1"),
        ({"classes": 13}, "classes"),
        ({"layout": "points", "classes": 3}, "classes: expected 2 to 2"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path, wrong, named):
    arguments = {"layout": "masks", "count": 2, **wrong}
    with pytest.raises(InputError, match=named):
        synthesize(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
