import numpy as np
import pytest

from benchmarks.backend import files
from components.errors import InputError


def splits(counts=(7, 3, 4), size=8):
    rng = np.random.default_rng(0)
    made = {}
    for name, count in zip(("train", "eval", "test"), counts, strict=True):
        images = rng.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
        targets = rng.integers(0, 2, (count, 1)).astype(np.float32)
        made[name] = files.Arrays(images, targets)
    return made


@pytest.mark.parametrize(("max_bytes", "pieces"), [(10**9, 1), (9500, 3)])
def test_what_was_saved_is_read_back(tmp_path, max_bytes, pieces):
    saved = splits()
    paths = files.save(saved, tmp_path / "new" / "data.npz", max_bytes)
    assert sorted(tmp_path.glob("new/*")) == sorted(paths)
    assert len(paths) == pieces
    assert all(path.stat().st_size <= max_bytes for path in paths)
    loaded = files.load(paths[::-1])
    for name, split in saved.items():
        np.testing.assert_array_equal(loaded[name].images, split.images)
        np.testing.assert_array_equal(loaded[name].targets, split.targets)
        assert loaded[name].images.dtype == np.uint8
        assert loaded[name].targets.dtype == np.float32


def test_a_missing_piece_is_refused(tmp_path):
    paths = files.save(splits(), tmp_path / "data.npz", 9500)
    with pytest.raises(InputError, match=r"expected all 3 pieces of one set, found 2 .*no piece 1"):
        files.load([paths[0], *paths[2:]])
    with pytest.raises(InputError, match="expected all 3 pieces of one set, found 4 files"):
        files.load([*paths, paths[0]])


def test_pieces_of_two_sets_are_refused(tmp_path):
    one = files.save(splits(), tmp_path / "one.npz", 9500)
    other = files.save(splits((6, 3, 4)), tmp_path / "other.npz", 9500)
    with pytest.raises(InputError, match=f"pieces of one set, found '{one[0]}' and '{other[1]}'"):
        files.load([one[0], other[1], one[2]])


def test_other_files_are_refused(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, train_images=np.zeros(3))
    text = tmp_path / "text.npz"
    text.write_text("no arrays")
    array = tmp_path / "array.npy"
    np.save(array, np.zeros(3))
    (whole,) = files.save(splits(), tmp_path / "whole.npz", 10**9)
    content = whole.read_bytes()
    cut, empty, flipped = (tmp_path / f"{name}.npz" for name in ("cut", "empty", "flipped"))
    cut.write_bytes(content[:-100])
    empty.write_bytes(b"")
    flipped.write_bytes(
        content[:900] + bytes(255 - byte for byte in content[900:910]) + content[910:]
    )
    nothing = tmp_path / "nothing.npz"
    for path in (other, text, array, nothing, cut, empty, flipped):
        with pytest.raises(InputError, match=rf"'{path}': expected an .npz file of piece, set, "):
            files.load([path])


def test_a_limit_below_one_picture_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected at least .* bytes, .* found 8,500"):
        files.save(splits(), tmp_path / "data.npz", 8500)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("problem", "layout"),
    [
        ("classification", "cats_dogs"),
        ("segmentation", "pets"),
    ],
)
def test_packed_is_what_the_trainer_decodes(tmp_path, problem, layout):
    from benchmarks.examples import write_examples
    from components.datasets import list_pictures
    from components.datasets.synth import synthesize
    from components.trainer import pictures

    synthesize(tmp_path / "drawn", layout, 12, size=(60, 40))
    found = list_pictures(tmp_path / "drawn", layout)
    examples = tmp_path / "work" / "artifacts" / "example_gen" / "examples"
    for execution, few in ((9, found[:3]), (10, found)):
        for number, name in enumerate(("train", "eval", "test")):
            path = examples / str(execution) / f"Split-{name}" / "data.gz"
            write_examples(tmp_path / "drawn", few[number:], path)
    packed = files.pack(tmp_path / "work", problem, 32)
    assert [len(packed[name]) for name in ("train", "eval", "test")] == [12, 11, 10]
    index = pictures.index_split([str(examples / "10" / "Split-eval" / "*")], "eval", problem)
    expected = pictures.load_split(index, problem, 32)
    np.testing.assert_array_equal(packed["eval"].images, expected.images)
    np.testing.assert_array_equal(packed["eval"].targets, expected.targets)


def test_a_run_without_examples_is_refused(tmp_path):
    with pytest.raises(InputError, match=f"work directory '{tmp_path}': expected Examples in"):
        files.pack(tmp_path, "classification", 32)
