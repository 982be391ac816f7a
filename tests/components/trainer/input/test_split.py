import io

import numpy as np
import pytest
from PIL import Image

from components import preprocessing
from components.tasks import get_task
from components.trainer.input.split import load_split
from serving.classes import Classes
from serving.errors import InputError

MASKS = "image_segmentation"


def numbers_in_order(numbers: list[int]) -> list[int]:
    return sorted(numbers, key=lambda number: number * 7919 % 65536)


def test_images_and_labels(index, load, splits, drawn):
    found, split = index(splits[0]), load(splits[0], side=64)
    order = numbers_in_order(list(range(24)))
    assert len(found) == len(split) == 24
    assert found.keys == sorted(f"{number * 7919 % 65536:016x}" for number in range(24))
    # At their own size nothing is resized, so the stored pixels come back exactly.
    np.testing.assert_array_equal(split.inputs, np.stack([drawn(n)[0] for n in order]))
    labels = [drawn(n)[2] for n in order]
    np.testing.assert_array_equal(split.targets[:, 0], labels)
    assert split.inputs.dtype == np.uint8
    # Of more than two classes they are one-hot.
    part = get_task("image_classification").training(Classes(("cat", "dog", "hen")))
    np.testing.assert_array_equal(
        load_split(index(splits[0], "eval"), part, 32).targets, np.eye(3)[labels]
    )


def test_masks(load, splits, drawn):
    split = load(splits[1], "eval", MASKS)
    order = numbers_in_order(list(range(100, 108)))
    # Nearest neighbour at half the size: the pixel right of and below the centre.
    expected = np.stack([drawn(n)[1][1::2, 1::2] for n in order])
    np.testing.assert_array_equal(split.targets, expected)


def test_rounding_to_uint8_stays_within_half_a_grey_level(load, splits, drawn):
    split = load(splits[1], "eval", side=40)
    for image, number in zip(split.inputs, numbers_in_order(list(range(100, 108))), strict=True):
        buffer = io.BytesIO()
        Image.fromarray(drawn(number)[0]).save(buffer, "PNG")
        served = preprocessing.decode_image(buffer.getvalue(), 40).numpy()
        assert 0 < np.abs(image - served).max() <= 0.5


def test_order_of_files_and_records_does_not_matter(index, load, write_split, tmp_path):
    forward = write_split(tmp_path / "a", list(range(10)))
    backward = write_split(tmp_path / "b", list(range(10))[::-1], shards=3)
    other = write_split(tmp_path / "c", [*range(9), 11])
    digests = [index(files, task=MASKS).digest for files in (forward, backward, other)]
    assert digests[0] == digests[1] != digests[2]
    one, same = (load(files, task=MASKS) for files in (forward, backward))
    np.testing.assert_array_equal(one.inputs, same.inputs)


def test_beyond_the_bound_a_file_holds_the_same_arrays(load, splits, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    in_memory = load(splits[0], task=MASKS)
    in_file = load(splits[0], task=MASKS, memory_bytes=1000)
    assert isinstance(in_file.inputs, np.memmap)
    assert isinstance(in_file.targets, np.memmap)
    assert not isinstance(in_memory.inputs, np.memmap)
    np.testing.assert_array_equal(in_memory.inputs, in_file.inputs)
    np.testing.assert_array_equal(in_memory.targets, in_file.targets)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "eval"])
def test_an_empty_split_is_refused(index, write_split, tmp_path, split):
    for files in ([str(tmp_path / "nothing" / "*")], write_split(tmp_path / "empty", [])):
        with pytest.raises(InputError, match=f"the {split} split: .*found none"):
            index(files, split)


def test_one_class_is_refused_in_training_only(load, write_split, tmp_path):
    files = write_split(tmp_path / "dogs", [1, 3, 5])
    with pytest.raises(InputError, match=r"the train split: .*found none of cat"):
        load(files)
    assert len(load(files, "eval")) == len(load(files, task=MASKS)) == 3
