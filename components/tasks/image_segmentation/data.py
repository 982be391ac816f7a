"""Images with their masks to Examples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components import features as f
from components.datasets.masks import open_mask, settle_masks
from components.datasets.pictures import encode
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.tasks import schemas
from components.tasks.images import ImageData, Sizes
from components.tasks.parts import RejectedError
from serving.classes import IGNORED


class Part(ImageData):
    """See `components.tasks.parts.Data`."""

    _min_share: Mapping[str, float] = {}

    def settle(self, listing: Listing, root: Path, data: DataConfig) -> Found:
        """The classes are those of the masks' values, or those that are pinned."""
        self._min_share = data.min_share
        return settle_masks(listing, root, data)

    def settled(self, found: Found) -> None:
        """Also the values that masks have on disk."""
        super().settled(found)
        self._ids = found.mapping

    def truth(self, root: Path, record: Record, sizes: Sizes) -> tuple[None, dict[str, Any]]:
        """The mask as class ids, and the share of each class."""
        ids = self._read(root, record, sizes)
        if ids.shape != sizes.decoded:
            detail = f"{ids.shape} for a picture of {sizes.decoded}"
            raise RejectedError("mask of another size", detail)
        # Nearest neighbour, as everywhere: a blurred class id would be another class.
        stored = Image.fromarray(ids).resize(sizes.stored[::-1], Image.Resampling.NEAREST)
        shares = self._fractions(np.asarray(stored))
        return None, {f.MASK_FRACTIONS: shares, f.MASK: encode(stored, "PNG")}

    def _read(self, root: Path, record: Record, sizes: Sizes) -> np.ndarray:
        """Class ids uint8 [height, width], `IGNORED` where the mask's value counts nowhere."""
        assert self._ids is not None
        mask = open_mask(root, record, sizes.decoded, sizes.orientation)
        try:
            return self._ids(mask)
        except ValueError as error:
            raise RejectedError("mask values", str(error)) from error

    def _fractions(self, ids: np.ndarray) -> np.ndarray:
        counts = np.bincount(ids[ids != IGNORED], minlength=len(self.classes))
        if not counts.any():
            raise RejectedError("mask without classes", "all of its pixels are ignored")
        fractions: np.ndarray = counts / counts.sum()
        for name, bound in self._min_share.items():
            share = fractions[self.classes.names.index(name)]
            if share <= bound:
                detail = f"{share:.4%} of the pixels, more than {bound:.1%} needed"
                raise RejectedError(f"mask without {name}", detail)
        return fractions

    def schema(self) -> Any:
        """Also that every class has its share.

        The bounds of `data.min_share` are ingest's alone: one domain holds for all classes.
        """
        schema = super().schema()
        schema.feature.append(schemas.floats(f.MASK_FRACTIONS, 0.0, 1.0, size=len(self.classes)))
        return schema
