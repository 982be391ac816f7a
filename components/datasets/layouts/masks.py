"""Images and masks, paired by stem: `images/a.jpg` with `masks/a.png`; already split folders too.

Masks may also be in `annotations/trimaps/` (as of Oxford-IIIT Pet) or in `labels/`.
"""

import re
from dataclasses import replace
from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing
from components.datasets.settings import DataConfig
from components.datasets.settling import NO_MASK

# Without loss: a blurred id would be another one.
MASK_EXTENSIONS = (".png", ".bmp", ".gif", ".tif", ".tiff")

NO_IMAGE = "mask without image"
LOSSY = "mask in a format with losses"

_SUFFIX = re.compile("([-_.][A-Za-z]+)?$")


def read(root: Path, data: DataConfig) -> Listing:
    """Lists all images, and all masks without an image; others below the folder have a problem.

    Where no mask has an image's name, what all of them end with (`a_mask.png`) is taken off.
    """
    records = []
    for images, masks, split in recognition.mask_folders(root):
        names = folders.file_names(root / masks, (*folders.IMAGE_EXTENSIONS, *MASK_EXTENSIONS))
        # Those without loss last, so that they win where one stem is there twice.
        names.sort(key=lambda name: name.lower().endswith(MASK_EXTENSIONS))
        found = list(folders.image_records(root, images))
        by_stem = {folders.stem_of(name): f"{masks}/{name}" for name in names}
        ends = {_SUFFIX.search(stem)[0] for stem in by_stem}  # type: ignore[index]
        if len(ends) == 1 and by_stem.keys().isdisjoint(folders.stem_of(r.path) for r in found):
            by_stem = {stem.removesuffix(*ends): path for stem, path in by_stem.items()}
        alone = dict(by_stem)
        for image in found:
            stem = folders.stem_of(image.path)
            mask = by_stem.get(stem)
            alone.pop(stem, None)
            lossy = mask and not mask.lower().endswith(MASK_EXTENSIONS)
            problem = image.problem or (LOSSY if lossy else None if mask else NO_MASK)
            records.append(replace(image, mask_path=mask, split=split, problem=problem))
        records += [folders.record(path, split=split, problem=NO_IMAGE) for path in alone.values()]
    if not any(record.mask_path for record in records):
        raise recognition.not_this_layout(root, "masks")
    used = {path for record in records for path in (record.path, record.mask_path)}
    aside = folders.image_records(root, deep=True, problem="in no folder of pairs")
    records += [record for record in aside if record.path not in used]
    return Listing(sorted(records, key=lambda record: record.path))
