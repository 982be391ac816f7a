"""TFRecord shards of another pipeline: one tf.train.Example an image, compressed or not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.datasets import folders, recognition
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig, printable
from serving.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

# What TensorFlow's own data sets call them (TF-Slim, DeepLab); the first that is there counts.
KEYS = {
    "image": ("image/encoded", "image"),
    "label": ("image/class/text", "image/label_name", "image/class/label", "image/label", "label"),
    "mask": ("image/segmentation/class/encoded", "mask/encoded", "mask"),
}

_GZIP = b"\x1f\x8b"
_WORD = re.compile(r"(?:Split-)?([a-z]*)", re.IGNORECASE)


def read(root: Path, data: DataConfig) -> Listing:
    """Reads all Examples; a record's content and mask are in memory. `data.features` maps keys.

    A label is a text, or a number, whose digits are then the class's name. Where the names of the
    shards, or of their folders, begin with words for splits, they tell the split.
    """
    shards = recognition.shard_names(root)
    if not shards:
        raise recognition.not_this_layout(root, "tfrecord")
    words = [_WORD.match(shard)[1].lower() for shard in shards]  # type: ignore[index]
    splits = [folders.SPLIT_WORDS.get(word) for word in words]
    if None in splits or "train" not in splits or len(set(splits)) == 1:
        splits = [None] * len(shards)
    keys = {part: (data.features[part],) for part in data.features}
    records: list[Record] = []
    present: set[str] = set()
    for shard, split in zip(shards, splits, strict=True):
        for number, example in enumerate(_examples(root / shard)):
            records.append(_record(f"{printable(shard)}:{number}", example, KEYS | keys, split))
            present.update(example.features.feature if example else ())
    read = {
        "image": any(record.content is not None for record in records),
        "label": any(record.label is not None for record in records),
        "mask": any(record.mask is not None for record in records),
    }
    needed = {"image", *data.features, *(() if read["mask"] else ("label",))}
    for part in [part for part in read if present and part in needed and not read[part]]:
        asked = data.features.get(part)  # type: ignore[call-overload]
        raise InputError(
            f"data.features.{part}",
            expected=f"one of the features {', '.join(sorted(present))}",
            found=f"'{asked}'" if asked else f"none of {', '.join(KEYS[part])}",
        )
    return Listing(records, notes=recognition.unread_tables(root))


def _examples(shard: Path) -> Iterator["tf.train.Example | None"]:
    """The Examples of a shard; None, and no more, where it is broken."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        with shard.open("rb") as file:
            compression = "GZIP" if file.read(2) == _GZIP else ""
    except OSError:
        yield None
        return
    dataset = tf.data.TFRecordDataset(str(shard), compression_type=compression)
    try:
        for serialized in dataset.as_numpy_iterator():
            yield tf.train.Example.FromString(serialized)
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, DecodeError):
        yield None


def _record(
    path: str, example: "tf.train.Example | None", keys: dict[str, Any], split: str | None
) -> Record:
    if example is None:
        return Record(path, split=split, problem="broken shard")
    features = example.features.feature

    def value(part: str) -> Any:
        feature = next((features[key] for key in keys[part] if key in features), None)
        held = (*feature.bytes_list.value, *feature.int64_list.value) if feature else ()
        return next(iter(held), None)

    image, label, mask = value("image"), value("label"), value("mask")
    if not isinstance(image, bytes):
        return Record(path, split=split, problem="no such feature", detail="of the image")
    if label is not None:
        label = label.decode(errors="surrogateescape") if isinstance(label, bytes) else str(label)
    mask = mask if isinstance(mask, bytes) else None
    return Record(path, label=label, split=split, content=image, mask=mask)
