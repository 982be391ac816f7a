import pytest

from components.datasets.layouts import masks
from components.datasets.records import Record
from components.datasets.settings import DataConfig
from serving.errors import InputError

DATA = DataConfig()


@pytest.mark.parametrize("folder", ["masks", "annotations/trimaps", "labels"])
def test_images_and_masks_are_paired_by_stem(touch, folder):
    root = touch("images/a.b_1.jpg", "images/Cat_2.JPG", "images/x.jpg", "images/A.mat")
    touch("images/z.webp", "images/._y.jpg", "images/q.heic")
    touch(*(f"{folder}/{name}" for name in ("a.b_1.png", "Cat_2.tif", "y.png", "q.png")))
    touch(f"{folder}/._x.png", f"{folder}/x.xml", f"{folder}/z.jpg")
    assert sorted(masks.read(root, DATA).records, key=lambda r: r.path.rpartition("/")[2]) == [
        Record("images/Cat_2.JPG", mask_path=f"{folder}/Cat_2.tif"),
        Record("images/a.b_1.jpg", mask_path=f"{folder}/a.b_1.png"),
        Record(
            "images/q.heic",
            mask_path=f"{folder}/q.png",
            problem="unsupported format",
            detail=".heic is none of .jpg, .jpeg, .png, .bmp, .gif, .webp",
        ),
        Record("images/x.jpg", problem="no mask"),
        Record(f"{folder}/y.png", problem="mask without image"),
        Record(
            "images/z.webp", mask_path=f"{folder}/z.jpg", problem="mask in a format with losses"
        ),
    ]


@pytest.mark.parametrize("path", ["{split}/{part}/1.png", "{part}/{split}/1.png"])
def test_split_folders_of_pairs(touch, path):
    parts = [(split, part) for split in ("train", "val") for part in ("images", "masks")]
    root = touch(*(path.format(split=split, part=part) for split, part in parts))
    found = {r.split: (r.path, r.mask_path) for r in masks.read(root, DATA).records}
    assert found == {
        told: tuple(path.format(split=split, part=part) for part in ("images", "masks"))
        for split, told in (("train", "train"), ("val", "eval"))
    }


def test_images_without_any_mask_are_refused(touch):
    with pytest.raises(InputError, match="masks/"):
        masks.read(touch("images/a.jpg", "masks/"), DATA)
