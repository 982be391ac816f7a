"""Oxford-IIIT Pet: `annotations/list.txt` names the images in `images/`, with breed and species.

Parkhi, Vedaldi, Zisserman, Jawahar, "Cats and Dogs" (2012). A line is `Abyssinian_100 1 1 1`: name,
class id (1 to 37), species (1 cat, 2 dog), number of the breed in its species.
"""

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

    Raises:
        InputError: there is no list, or there are no images.
    """
    folders.check_folder(root)
    images = {
        folders.stem_of(record.path)[0]: record
        for record in folders.image_records(root, recognition.IMAGES)
    }
    listed = root / recognition.OXFORD_LIST
    if not images or not listed.is_file():
        expected = f"{recognition.OXFORD_LIST} and {recognition.IMAGES}/*.jpg"
        raise recognition.not_this_layout(root, "oxford_list", expected)
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
        image = images.pop(fields[0], None)
        if image is None:
            missing += 1
            continue
        species = data.labels == "species"
        breed = fields[0].rpartition("_")[0] or fields[0]
        label = SPECIES[fields[2]] if species else breed
        order[label] = int(fields[2 if species else 1])
        mask = f"{fields[0]}.png"
        mask_path = f"{_TRIMAPS}/{mask}" if mask in masks else None
        records.append(folders.record(image.path, label=label, mask_path=mask_path))
    records += [folders.record(image.path, problem=NOT_LISTED) for image in images.values()]
    return Listing(
        sorted(records, key=lambda record: record.path),
        tuple(sorted(order, key=lambda label: order[label])),
        missing,
    )
