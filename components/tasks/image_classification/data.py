"""Images of one class each to Examples."""

from pathlib import Path
from typing import Any

from components import features as f
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels
from components.tasks import schemas
from components.tasks.images import ImageData, Sizes


class Part(ImageData):
    """See `components.tasks.parts.Data`."""

    def settle(self, listing: Listing, root: Path, data: DataConfig) -> Found:
        """The classes are the labels that the layout tells, or those that are pinned."""
        return settle_labels(listing, data)

    def truth(self, root: Path, record: Record, sizes: Sizes) -> tuple[int, dict[str, Any]]:
        """Index and name of the class."""
        name = str(record.label)
        label = self.classes.names.index(name)
        return label, {f.LABEL: label, f.LABEL_NAME: name}

    def schema(self) -> Any:
        """Also that the class is one of those that ingest settled."""
        schema = super().schema()
        names = self.classes.names
        label = schemas.integers(f.LABEL, 0, len(names) - 1, categorical=True)
        schema.feature.extend([label, schemas.texts(f.LABEL_NAME, names)])
        return schema
