"""Oxford-IIIT Pet: `annotations/list.txt` names the images in `images/`, with breed and species.

Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and Dogs" (2012). A line is `Abyssinian_100 1 1 1`: name,
class id (1 to 37), species (1 cat, 2 dog), number of the breed in its species.
"""

from dataclasses import replace
from pathlib import Path

from components.datasets import folders, recognition
from components.datasets.records import Listing, Record
from components.datasets.rows import UNREADABLE_ROW
from components.datasets.settings import DataConfig, printable

SPECIES = {"1": "cat", "2": "dog"}
NOT_LISTED = "not in the list"

_TRIMAPS = recognition.MASK_FOLDERS[1]


def read(root: Path, data: DataConfig) -> Listing:
    """Lists the images of a copy, whole or in part, masks with them where there are some.

    What the list names and the folder lacks is counted as missing; the breeds are in the list's
    order, those without an image left out.
    """
    found = sorted(folders.image_records(root, deep=True), key=lambda record: record.path)
    images = {
        record.path.partition("/")[2].rpartition(".")[0]: record
        for record in found
        if record.path.startswith(f"{recognition.IMAGES}/")
    }
    listed = root / recognition.OXFORD_LIST
    if not images or not listed.is_file():
        raise recognition.not_this_layout(root, "oxford_list")
    masks = set(folders.file_names(root / _TRIMAPS, (".png",)))
    records, order, missing = [], {}, 0
    lines = listed.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if len(fields) != 4 or not fields[1].isdecimal() or fields[2] not in SPECIES:
            where = f"{recognition.OXFORD_LIST}:{number}"
            records.append(Record(where, problem=UNREADABLE_ROW, detail=printable(line[:80])))
            continue
        name, breed_id, species, _ = fields
        if name not in images:
            missing += 1
            continue
        if data.labels == "species":
            label, rank = SPECIES[species], int(species)
        else:
            label, rank = name.rpartition("_")[0] or name, int(breed_id)
        order[label] = rank
        mask = f"{_TRIMAPS}/{name}.png" if f"{name}.png" in masks else None
        records.append(replace(images.pop(name), label=label, number=None, mask_path=mask))
    used = {record.path for record in records}
    records += [
        replace(record, problem=record.problem or NOT_LISTED)
        for record in found
        if record.path not in used and not record.path.startswith(f"{_TRIMAPS}/")
    ]
    classes = tuple(sorted(order, key=order.__getitem__))
    return Listing(sorted(records, key=lambda record: record.path), classes, missing)
