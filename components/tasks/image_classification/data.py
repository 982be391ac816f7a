"""Images of one class each to Examples."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components import features as f
from components.datasets.masks import open_mask
from components.datasets.pictures import encode
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels
from components.tasks import schemas
from components.tasks.images import ImageData, Sizes
from components.tasks.parts import RejectedError

_BACKGROUND = 2  # of Oxford's trimaps; 1 is the object, 3 its outline


class Part(ImageData):
    """See `components.tasks.parts.Data`."""

    def settle(self, listing: Listing, root: Path, data: DataConfig) -> Found:
        """The classes are the labels that the layout tells, or those that are pinned."""
        return settle_labels(listing, data)

    def truth(self, root: Path, record: Record, sizes: Sizes) -> tuple[int, dict[str, Any]]:
        """Index and name of the class; where the object is if there is a trimap of it."""
        name = str(record.label)
        label = self.classes.names.index(name)
        told: dict[str, Any] = {f.LABEL: label, f.LABEL_NAME: name}
        mask = _object_mask(root, record, sizes)
        return label, told if mask is None else told | {f.OBJECT_MASK: mask}

    def schema(self) -> Any:
        """Also that the class is one of those that ingest settled."""
        schema = super().schema()
        names = self.classes.names
        label = schemas.integers(f.LABEL, 0, len(names) - 1, categorical=True)
        schema.feature.extend([label, schemas.texts(f.LABEL_NAME, names)])
        return schema


def _object_mask(root: Path, record: Record, sizes: Sizes) -> bytes | None:
    """The PNG of `features.OBJECT_MASK`: all of a trimap that is not background.

    None where there is no usable one: nothing is learned from it, so the picture is kept.
    """
    if not record.mask_path:
        return None
    try:
        trimap = np.asarray(open_mask(root, record, sizes.decoded, sizes.orientation))
    except RejectedError:
        return None
    if trimap.shape != sizes.decoded:
        return None
    mask = Image.fromarray(np.where(trimap == _BACKGROUND, 0, 255).astype(np.uint8))
    return encode(mask.resize(sizes.stored[::-1], Image.Resampling.NEAREST), "PNG")
