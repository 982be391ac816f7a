"""Images of one class each to Examples."""

from pathlib import Path
from typing import Any

from components import features as f
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels
from components.tasks import schemas
from components.tasks.images import ImageData, add_bytes


class Part(ImageData):
    """See `components.tasks.parts.Data`."""

    def settle(self, listing: Listing, root: Path, data: DataConfig) -> Found:
        """The classes are the labels that the layout tells, or those that are pinned."""
        del root
        return settle_labels(listing, data)

    def add_truth(
        self, example: Any, root: Path, record: Record, sizes: tuple[tuple[int, int], ...]
    ) -> int:
        """Index and name of the class."""
        del root, sizes
        name = str(record.label)
        label = self.classes.names.index(name)
        example.features.feature[f.LABEL].int64_list.value.append(label)
        add_bytes(example, f.LABEL_NAME, name.encode())
        return label

    def schema(self) -> Any:
        """Also that the class is one of those that ingest settled."""
        schema = super().schema()
        names = self.classes.names
        schema.feature.extend(
            [
                schemas.integers(f.LABEL, 0, len(names) - 1, categorical=True),
                schemas.texts(f.LABEL_NAME, names),
            ]
        )
        return schema
