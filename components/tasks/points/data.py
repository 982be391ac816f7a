"""Points of a plane to Examples."""

import hashlib
import struct
from pathlib import Path
from typing import Any

from components import features as f
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
        del root
        found = settle_labels(listing, data)
        if len(found.classes) > 2:
            names = ", ".join(found.classes.names[:5])
            raise InputError(
                "classes of points", expected="2", found=f"{len(found.classes)}: {names}"
            )
        return found

    def convert(self, root: Path, record: Record, max_side: int) -> Converted:
        """Encodes a point; its values are x and y."""
        import tensorflow as tf

        del root, max_side
        name = str(record.label)
        label = self.classes.names.index(name)
        key = point_key(*record.values)
        example = tf.train.Example()
        for feature, value in zip((f.POINT_X, f.POINT_Y), record.values, strict=True):
            example.features.feature[feature].float_list.value.append(value)
        example.features.feature[f.POINT_LABEL].int64_list.value.append(label)
        texts = ((f.POINT_LABEL_NAME, name), (f.POINT_ROW, record.path), (f.POINT_KEY, key))
        for feature, text in texts:
            example.features.feature[feature].bytes_list.value.append(text.encode())
        return Converted(record, label, key, key, example.SerializeToString(deterministic=True))

    def schema(self) -> Any:
        """Coordinates within reach, and a class that ingest settled."""
        from tensorflow_metadata.proto.v0 import schema_pb2

        names = self.classes.names
        coordinates = [schemas.floats(name, -REACH, REACH) for name in (f.POINT_X, f.POINT_Y)]
        label = schemas.integers(f.POINT_LABEL, 0, len(names) - 1, categorical=True)
        return schema_pb2.Schema(
            feature=[*coordinates, label, schemas.texts(f.POINT_LABEL_NAME, names)]
        )


def point_key(x: float, y: float) -> str:
    """Hash of a point's coordinates: equal points have equal keys, whatever their labels.

    Args:
        x, y: finite, exact in float32.

    Returns:
        64 lower-case hexadecimal digits.
    """
    # Adding zero makes -0.0, which equals 0.0, the same bytes.
    return hashlib.sha256(struct.pack("<2f", x + 0.0, y + 0.0)).hexdigest()
