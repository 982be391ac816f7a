import io

import numpy as np
import pytest
from PIL import Image

from serving.errors import InputError


def numbers_in_order(numbers: list[int]) -> list[int]:
    return sorted(numbers, key=lambda number: number * 7919 % 65536)


def test_classification_values(loading, splits, drawn):
    index = loading.index_split(splits[0], "train", "classification")
    pictures = loading.load_split(index, "classification", 64)
    order = numbers_in_order(list(range(24)))
    assert len(index) == len(pictures) == 24
    assert index.keys == sorted(f"{number * 7919 % 65536:016x}" for number in range(24))
    # At their own size nothing is resized, so the stored pixels come back exactly.
    np.testing.assert_array_equal(pictures.images, np.stack([drawn(n)[0] for n in order]))
    np.testing.assert_array_equal(pictures.targets[:, 0], [drawn(n)[2] for n in order])
    assert pictures.images.dtype == np.uint8


def test_segmentation_values(loading, splits, drawn):
    index = loading.index_split(splits[1], "eval", "segmentation")
    pictures = loading.load_split(index, "segmentation", 32)
    order = numbers_in_order(list(range(100, 108)))
    # Nearest neighbour at half the size: the pixel right of and below the centre.
    expected = np.stack([drawn(n)[1][1::2, 1::2] for n in order])
    np.testing.assert_array_equal(pictures.targets, expected)


def test_rounding_to_uint8_stays_within_half_a_grey_level(loading, splits, drawn):
    from components import preprocessing

    index = loading.index_split(splits[1], "eval", "classification")
    pictures = loading.load_split(index, "classification", 40)
    for image, number in zip(pictures.images, numbers_in_order(list(range(100, 108))), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(drawn(number)[0]).save(buffer, "PNG")
        served = preprocessing.decode_image(buffer.getvalue(), 40).numpy()
        assert 0 < np.abs(image - served).max() <= 0.5


def test_order_of_files_and_records_does_not_matter(loading, write_split, tmp_path):
    forward = write_split(tmp_path / "a", list(range(10)))
    backward = write_split(tmp_path / "b", list(range(10))[::-1], shards=3)
    one, other = (loading.index_split(p, "train", "segmentation") for p in (forward, backward))
    assert one.digest == other.digest
    np.testing.assert_array_equal(
        loading.load_split(one, "segmentation", 32).images,
        loading.load_split(other, "segmentation", 32).images,
    )


def test_other_data_has_another_digest(loading, write_split, tmp_path):
    patterns = [write_split(tmp_path / str(n), [*range(9), n]) for n in (10, 11)]
    digests = {loading.index_split(p, "train", "segmentation").digest for p in patterns}
    assert len(digests) == 2


def test_beyond_the_bound_a_file_holds_the_same_pictures(loading, splits, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    index = loading.index_split(splits[0], "train", "segmentation")
    in_memory = loading.load_split(index, "segmentation", 32)
    in_file = loading.load_split(index, "segmentation", 32, memory_bytes=1000)
    assert isinstance(in_file.images, np.memmap)
    assert isinstance(in_file.targets, np.memmap)
    assert not isinstance(in_memory.images, np.memmap)
    np.testing.assert_array_equal(in_memory.images, in_file.images)
    np.testing.assert_array_equal(in_memory.targets, in_file.targets)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "eval"])
def test_an_empty_split_is_refused(loading, write_split, tmp_path, split):
    with pytest.raises(InputError, match=f"the {split} split: .*found none"):
        loading.index_split([str(tmp_path / "nothing" / "*")], split, "classification")
    with pytest.raises(InputError, match=f"the {split} split: .*found none"):
        loading.index_split(write_split(tmp_path / "empty", []), split, "segmentation")


def test_one_class_is_refused_in_training_only(loading, write_split, tmp_path):
    patterns = write_split(tmp_path / "dogs", [1, 3, 5])
    with pytest.raises(InputError, match="expected pictures of cat and dog, found only dog"):
        loading.index_split(patterns, "train", "classification")
    assert len(loading.index_split(patterns, "eval", "classification")) == 3
    assert len(loading.index_split(patterns, "train", "segmentation")) == 3
