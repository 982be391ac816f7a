import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets import anatomy, drawing
from components.datasets.layouts import SHIPPED, load_reader
from components.datasets.records import Record
from components.datasets.settings import DataConfig
from components.datasets.synth import draw_points, synthesize
from serving.errors import InputError


def _files(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*.*") if not path.name.startswith("."))
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths)}


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def _records(root: Path, layout: str = "class_folders") -> list[Record]:
    return load_reader(layout, SHIPPED, "layout")(root, DataConfig()).records


@pytest.mark.parametrize(
    ("layout", "classes"),
    [("class_folders", 2), ("masks", 2), ("masks", 4), ("oxford_list", 2), ("points", 2)],
)
def test_same_seed_same_bytes_and_growing_changes_nothing(tmp_path, layout, classes):
    def draw(name: str, count: int, **arguments) -> dict[str, bytes]:
        synthesize(tmp_path / name, layout, count, size=(64, 48), classes=classes, **arguments)
        return _files(tmp_path / name)

    few, many, other = draw("few", 5), draw("many", 8), draw("other", 5, seed=2)
    assert all(many[path].startswith(content) for path, content in few.items())
    assert few.keys() == other.keys()
    images = {path for path in few if path.endswith((".jpg", ".csv"))}
    assert not {few[path] for path in images} & {other[path] for path in images}
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("*.*g")}
    assert draw("few", 8) == draw("many", 8) == many  # grown in place, and drawn again
    # Else an unchanged pipeline would take the same images for new ones.
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    assert draw("many", 5) == few
    assert len(_records(tmp_path / "many", layout)) == 5


@pytest.mark.parametrize(
    ("layout", "digest"),
    [("class_folders", "fc596b0a9cdb"), ("masks", "ad16f15d7225"), ("points", "a471170df559")],
)
def test_what_was_drawn_before_is_still_drawn(tmp_path, layout, digest):
    """Figures in docs/results.md stand on it. The digests were made by Pillow 12.3."""
    synthesize(tmp_path, layout, 12, seed=5)
    drawn = hashlib.sha256()
    for path, content in _files(tmp_path).items():
        drawn.update(path.encode() + content)
    assert drawn.hexdigest()[:12] == digest


def test_each_class_has_a_shape_of_its_own(tmp_path):
    count = len(anatomy.NAMES)
    synthesize(tmp_path, "class_folders", 2 * count, size=(48, 48), classes=count)
    assert sorted((r.label, r.number) for r in _records(tmp_path)) == sorted(
        (name.capitalize(), number) for name in anatomy.NAMES for number in (0, 1)
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


def test_drawn_points_are_the_books_two_clouds(tmp_path):
    drawn = draw_points(20_000, seed=1)
    for label, mean in enumerate([(0, 3), (3, 0)]):
        cloud = drawn[label::2]
        # Standard errors at this number: 0.01 of a mean, about 0.015 of a covariance.
        np.testing.assert_allclose(cloud.mean(axis=0), mean, atol=0.05)
        np.testing.assert_allclose(np.cov(cloud.T), [[1, 0.5], [0.5, 1]], atol=0.07)
    synthesize(tmp_path, "points", 30, seed=1)
    records = _records(tmp_path, "points")
    np.testing.assert_allclose([r.values for r in records], drawn[:30], atol=1e-6)
    assert [r.label for r in records] == ["negative", "positive"] * 15


def test_trimaps_fit_the_images(tmp_path):
    """Sizes vary; for the band of the contour see the next test."""
    synthesize(tmp_path, "masks", 24)
    sizes = set()
    for record in _records(tmp_path, "masks"):
        mask = _pixels(tmp_path / record.mask_path)
        assert _pixels(tmp_path / record.path).shape == (*mask.shape, 3)
        assert np.unique(mask).tolist() == [1, 2, 3]
        sizes.add(mask.shape)
        assert 0.02 < (mask == 1).mean() < 0.95
    assert len(sizes) > 12


def test_a_trimap_is_exact_for_a_known_silhouette():
    silhouette = np.zeros((20, 30), np.uint8)
    silhouette[5:15, 8:20] = 255
    expected = np.full((20, 30), 2)
    expected[3:17, 6:22] = 3
    expected[7:13, 10:18] = 1
    np.testing.assert_array_equal(drawing.trimap(Image.fromarray(silhouette)), expected)


@pytest.mark.parametrize("where", drawing.SHORTCUTS)
def test_a_mark_is_in_its_place_and_tells_the_class(where):
    colours = [set(), set()]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        image, silhouette = drawing.draw(rng, seed % 2, (96, 80))
        before = np.asarray(image).copy()
        drawing.add_shortcut(rng, image, silhouette, seed % 2, where)
        rows, columns = np.nonzero((np.asarray(image) != before).any(axis=-1))
        assert {np.ptp(rows), np.ptp(columns)} == {8}  # a tenth of 80, and the middle
        mask = np.asarray(drawing.trimap(silhouette))
        side = drawing.FOREGROUND if where == "body" else drawing.BACKGROUND
        assert (mask[rows, columns] == side).all()
        middle = round(rows.mean()), round(columns.mean())
        colours[seed % 2].add(tuple(np.asarray(image)[middle]))
        if where == "corner":
            assert middle in {(y, x) for y in (8, 71) for x in (8, 87)}
        elif where == "beside":
            near = np.asarray(silhouette)[rows.min() - 5 : rows.max() + 6]
            assert near[:, max(0, columns.min() - 5) : columns.max() + 6].any()
    assert [len(one) for one in colours] == [1, 1]
    assert colours[0] != colours[1]


def test_a_mark_changes_nothing_else(tmp_path):
    for name, shortcut in (("plain", ""), ("marked", "body")):
        synthesize(tmp_path / name, "oxford_list", 6, size=(64, 48), shortcut=shortcut)
    plain, marked = _files(tmp_path / "plain"), _files(tmp_path / "marked")
    assert all((plain[path] != marked[path]) == path.endswith(".jpg") for path in plain)
    records = _records(tmp_path / "marked", "oxford_list")
    assert [r.label for r in records if r.mask_path] == ["Synthcat"] * 3 + ["synthdog"] * 3
    with pytest.raises(InputError, match=r"found 2 in 'oxford_list' with the shortcut 'body'"):
        synthesize(tmp_path / "marked", "oxford_list", 6)


def test_the_silhouette_is_where_the_animal_is(monkeypatch):
    """With fur and details in one colour on a black scene, the image is the silhouette."""
    size = (160, 120)
    scenery = drawing.scenery
    monkeypatch.setattr(scenery, "background", lambda rng, size: Image.new("RGB", size))
    monkeypatch.setattr(scenery, "fur", lambda rng, size: np.full((*size[::-1], 3), 1e6))
    monkeypatch.setattr(scenery, "coat", lambda rng, count: np.zeros((count, 3)))
    monkeypatch.setattr(scenery, "lit", lambda rng, image: image)
    monkeypatch.setattr(drawing.anatomy.Animal, "mark", lambda *_: None)
    for seed in range(12):
        image, silhouette = drawing.draw(np.random.default_rng(seed), seed % 2, size)
        drawn = np.asarray(image)[..., 0] >= 128
        np.testing.assert_array_equal(drawn, np.asarray(silhouette) == 255)
        assert drawn.any()


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


def test_what_is_not_its_own_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("")
    for root, found in ((tmp_path, "other files"), (tmp_path / "file", "found a file")):
        with pytest.raises(InputError, match=f"an empty folder.* {found}") as error:
            synthesize(root, "class_folders", 2)
        assert str(root) in str(error.value)
    made = tmp_path / "made"
    synthesize(made, "masks", 2)
    before = _files(made)
    for layout, classes in (("class_folders", 2), ("masks", 5)):
        with pytest.raises(InputError, match="found 2 in 'masks'"):
            synthesize(made, layout, 2, classes=classes)
    (made / "images/mine.jpg").touch()
    synthesize(made, "masks", 1)  # shrunk
    assert _files(made).keys() ^ before.keys() == {
        "images/mine.jpg",
        "images/synthdog_0.jpg",
        "annotations/trimaps/synthdog_0.png",
    }
    for content in ("", "[]", '{"layout": "masks"}'):
        (made / ".pawlens_synth.json").write_text(content)
        with pytest.raises(InputError, match=r"\.pawlens_synth\.json"):
            synthesize(made, "masks", 1)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"layout": "coco"}, "layout: .*'coco'"),
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"size": (8, 64)}, "size"),
        ({"classes": 1}, "classes: expected 2 to 12, found 1"),
        ({"layout": "points", "classes": 3}, "classes: expected 2 to 2"),
        ({"layout": "oxford_list", "classes": 3}, "classes: expected 2 to 2"),
        ({"shortcut": "middle"}, "shortcut: .*'middle'"),
        ({"shortcut": "body"}, "shortcut: expected the layout class_folders or ox.* found masks"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path, wrong, named):
    arguments = {"layout": "masks", "count": 2, **wrong}
    with pytest.raises(InputError, match=named):
        synthesize(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
