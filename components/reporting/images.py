"""Examples that are pictures: read, picked, drawn and explained."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from components import features
from components.datasets.examples import value_of
from components.datasets.pictures import fit
from components.reporting import drawing
from components.reporting.drawing import Figure
from components.reporting.predictor import SCORED_AT_MOST, Predictor, batches
from serving import names

HEATMAP_NOTE = (
    "The overlays are heatmaps: the redder a place, the more it speaks for the named class."
)
STRETCHED = "Pictures are turned upright, as their EXIF tells, and stretched to a square."


@dataclass(frozen=True)
class StoredImage:
    """One stored picture and what is known about it."""

    filename: str  # path relative to the data folder
    encoded: bytes  # JPEG or PNG
    width: int  # pixels
    height: int
    key: str = ""  # the split key
    label: str = ""  # class name; empty where pixels have classes
    mask: bytes = b""  # PNG of class ids; empty where there is none

    @classmethod
    def of(cls, example: Any) -> Self:
        """Reads a parsed `tf.train.Example`."""

        def text(key: str) -> str:
            return (value_of(example, key) or b"").decode("utf-8", "replace")

        return cls(
            filename=text(features.FILENAME),
            encoded=value_of(example, features.IMAGE),
            width=value_of(example, features.WIDTH),
            height=value_of(example, features.HEIGHT),
            key=text(features.KEY),
            label=text(features.LABEL_NAME),
            mask=value_of(example, features.MASK) or b"",
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height on the page, in pixels."""
        return fit(self.width, self.height, drawing.THUMBNAIL_SIDE)


def first(examples: Iterable[Any]) -> Iterator[tuple[int, StoredImage]]:
    """Position and picture of each of the first `SCORED_AT_MOST` Examples."""
    return enumerate(map(StoredImage.of, islice(examples, SCORED_AT_MOST)))


def answers(
    predictor: Predictor, images: Iterable[tuple[int, StoredImage]]
) -> Iterator[tuple[int, StoredImage, dict[str, Any]]]:
    """The same with the model's outputs, by name."""
    for batch in batches(images):
        outputs = predictor.predict(
            **{names.INPUT_IMAGE_BYTES: [image.encoded for _, image in batch]}
        )
        for row, (index, image) in enumerate(batch):
            yield index, image, {name: output[row] for name, output in outputs.items()}


def pick(examples: Iterable[Any], positions: Collection[int]) -> dict[int, StoredImage]:
    """The pictures at those positions of a split, which is read no further than needed."""
    last = max(positions, default=-1)
    return {
        index: StoredImage.of(example)
        for index, example in enumerate(islice(examples, last + 1))
        if index in positions
    }


def explain(
    predictor: Predictor, images: Mapping[int, StoredImage], classes: Mapping[int, int]
) -> dict[int, Figure]:
    """The drawings of `grad_cam`, all by position in the split; class -1 is the predicted one."""
    figures: dict[int, Figure] = {}
    for batch in batches(images.items()):
        outputs = predictor.explain(
            [image.encoded for _, image in batch], [classes[index] for index, _ in batch]
        )
        overlays, labels = outputs[names.OUTPUT_OVERLAY_PNG], outputs[names.OUTPUT_LABEL]
        for (index, image), png, label in zip(batch, overlays, labels, strict=True):
            title = f"Heatmap for {label.decode()}"
            pixels = drawing.draw_picture(png, image.size)
            figures[index] = drawing.photo(pixels, f"{title} over {image.filename}", title)
    return figures


def picture(image: StoredImage, alt: str = "", caption: str = "") -> Figure:
    """The picture itself."""
    pixels = drawing.draw_picture(image.encoded, image.size)
    return drawing.photo(pixels, alt or f"Image {image.filename}", caption)
