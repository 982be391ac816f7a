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
    """Lists all images, and all masks without an image."""
    records = []
    for images, masks, split in recognition.mask_folders(root):
        names = folders.file_names(root / masks, (*folders.IMAGE_EXTENSIONS, *MASK_EXTENSIONS))
        # Those without loss last, so that they win where one stem is there twice.
        names.sort(key=lambda name: name.lower().endswith(MASK_EXTENSIONS))
        by_stem = {folders.stem_of(name): f"{masks}/{name}" for name in names}
        alone = dict(by_stem)
        for image in folders.image_records(root, images):
            stem = folders.stem_of(image.path)
            mask = by_stem.get(stem)
            alone.pop(stem, None)
            lossy = mask and not mask.lower().endswith(MASK_EXTENSIONS)
            problem = LOSSY if lossy else None if mask else NO_MASK
            records.append(folders.record(image.path, mask_path=mask, split=split, problem=problem))
        records += [folders.record(path, split=split, problem=NO_IMAGE) for path in alone.values()]
    if not any(record.mask_path for record in records):
        raise recognition.not_this_layout(root, "masks")
    return Listing(sorted(records, key=lambda record: record.path))
