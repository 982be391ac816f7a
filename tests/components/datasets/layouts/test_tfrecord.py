import pytest
import tensorflow as tf

from components.datasets.layouts import auto, tfrecord
from components.datasets.settings import DataConfig
from serving.errors import InputError


def _write(path, examples: list[dict[str, bytes | int]], compression: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for values in examples:
            example = tf.train.Example()
            for key, value in values.items():
                feature = example.features.feature[key]
                kind = feature.bytes_list if isinstance(value, bytes) else feature.int64_list
                kind.value.append(value)
            writer.write(example.SerializeToString())


def test_shards_with_the_names_of_slim(tmp_path):
    rose = {"image/encoded": b"1", "image/class/text": b"rose", "image/class/label": 4}
    _write(tmp_path / "train-00000-of-00002.gz", [rose], "GZIP")
    _write(tmp_path / "train-00001-of-00002", [{**rose, "image/class/text": b"iris"}])
    _write(tmp_path / "validation-00000-of-00001", [rose, {"image/format": b"jpeg"}])
    broken = (tmp_path / "train-00001-of-00002").read_bytes()
    (tmp_path / "train-00001-of-00002").write_bytes(broken + b"no record" * 9)
    listing = auto.read(tmp_path, DataConfig())
    assert [(r.path, r.label, r.content, r.split, r.problem) for r in listing.records] == [
        ("train-00000-of-00002.gz:0", "rose", b"1", "train", None),
        ("train-00001-of-00002:0", "iris", b"1", "train", None),
        ("train-00001-of-00002:1", None, None, "train", "broken shard"),
        ("validation-00000-of-00001:0", "rose", b"1", "eval", None),
        ("validation-00000-of-00001:1", None, None, "eval", "no such feature"),
    ]
    assert listing.classes == ("iris", "rose")


def test_keys_are_mapped_and_numbers_are_names(tmp_path):
    examples = [{"jpg": b"image", "y": number, "seg": b"mask"} for number in (10, 9)]
    _write(tmp_path / "data.tfrecord", examples)
    with pytest.raises(InputError, match=r"data\.features\.image: .* jpg, seg, y, found none of"):
        tfrecord.read(tmp_path, DataConfig())
    data = DataConfig(features={"image": "jpg", "label": "y", "mask": "seg"})
    listing = tfrecord.read(tmp_path, data)
    assert listing.classes == ("9", "10")
    assert {(r.content, r.mask, r.split) for r in listing.records} == {(b"image", b"mask", None)}
