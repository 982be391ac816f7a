"""Images and masks, paired by stem: `images/a.jpg` with `masks/a.png`; already split folders too.

Masks may also be in `annotations/trimaps/` (as of Oxford-IIIT Pet) or in `labels/`.
"""

from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing
from components.datasets.settings import DataConfig
from components.datasets.settling import NO_MASK

# Without loss: a blurred id would be another one.
MASK_EXTENSIONS = (".png", ".bmp", ".gif", ".tif", ".tiff")

NO_IMAGE = "mask without image"
LOSSY = "mask in a format with losses"


def read(root: Path, data: DataConfig) -> Listing:
    """Lists all images, and all masks without an image.

    Raises:
        InputError: there are no two such folders, or one of them is empty.
    """
    del data
    folders.check_folder(root)
    records = []
    paired = False
    for images, masks, split in recognition.mask_folders(root):
        found = list(folders.image_records(root, images, split=split))
        stems = {folders.stem_of(name)[0]: name for name in _masks(root / masks)}
        paired = paired or bool(found and stems)
        for image in found:
            mask = stems.get(folders.stem_of(image.path)[0])
            problem = None if mask else NO_MASK
            path = f"{masks}/{mask}" if mask else None
            if mask and not mask.lower().endswith(MASK_EXTENSIONS):
                problem = LOSSY
            records.append(folders.record(image.path, mask_path=path, split=split, problem=problem))
        alone = stems.keys() - {folders.stem_of(image.path)[0] for image in found}
        records += [
            folders.record(f"{masks}/{stems[stem]}", split=split, problem=NO_IMAGE)
            for stem in alone
        ]
    if not paired:
        where = " or ".join(f"{name}/" for name in recognition.MASK_FOLDERS)
        expected = f"images in {recognition.IMAGES}/ and .png masks in {where}"
        raise recognition.not_this_layout(root, "masks", expected)
    return Listing(sorted(records, key=lambda record: record.path))


def _masks(folder: Path) -> list[str]:
    """Those without loss last, so that they win where one stem is there twice."""
    names = folders.file_names(folder, (*folders.IMAGE_EXTENSIONS, *MASK_EXTENSIONS))
    return sorted(names, key=lambda name: name.lower().endswith(MASK_EXTENSIONS))
