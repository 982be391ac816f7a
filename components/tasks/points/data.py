"""Points of a plane to Examples."""

import hashlib
import struct
from pathlib import Path
from typing import Any

from components import features as f
from components.datasets.examples import make_example
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels
from components.tasks import schemas
from components.tasks.parts import Converted, Data
from serving.errors import InputError

REACH = 100.0  # the clouds lie within 10 of the origin: anything beyond this is in another unit


class Part(Data):
    """See `components.tasks.parts.Data`."""

    content = "coordinates"

    def settle(self, listing: Listing, root: Path, data: DataConfig) -> Found:
        """The two classes are the labels of the rows, or those that are pinned.

        Raises:
            InputError: there are more.
        """
        found = settle_labels(listing, data)
        if len(found.classes) > 2:
            told = f"{len(found.classes)}: {', '.join(found.classes.names[:5])}"
            raise InputError("classes of points", expected="2", found=told)
        return found

    def convert(self, root: Path, record: Record, max_side: int) -> Converted:
        """Encodes a point; its values are x and y."""
        name = str(record.label)
        label = self.classes.names.index(name)
        key = point_key(*record.values)
        x, y = record.values
        values = {
            f.POINT_X: x,
            f.POINT_Y: y,
            f.POINT_LABEL: label,
            f.POINT_LABEL_NAME: name,
            f.POINT_ROW: record.path,
            f.POINT_KEY: key,
        }
        example = make_example(values).SerializeToString(deterministic=True)
        return Converted(record, label, key, key, example)

    def schema(self) -> Any:
        """Coordinates within reach, and a class that ingest settled."""
        names = self.classes.names
        coordinates = [schemas.floats(name, -REACH, REACH) for name in (f.POINT_X, f.POINT_Y)]
        label = schemas.integers(f.POINT_LABEL, 0, len(names) - 1, categorical=True)
        return schemas.schema(*coordinates, label, schemas.texts(f.POINT_LABEL_NAME, names))


def point_key(x: float, y: float) -> str:
    """Hash of a point's coordinates, finite and exact in float32: 64 hexadecimal digits."""
    # Adding zero makes -0.0, which equals 0.0, the same bytes.
    return hashlib.sha256(struct.pack("<2f", x + 0.0, y + 0.0)).hexdigest()
