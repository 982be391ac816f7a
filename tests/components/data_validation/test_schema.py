"""The schemas, against the keys and the values that ingest writes."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from components import features as f
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig
from components.tasks import SHIPPED, get_task
from components.tasks.images import MAX_SIDE, MIN_SIDE
from serving.classes import Classes

# What says nothing as a statistic: encoded images, and texts that differ in every Example.
NOT_SCALAR = {f.IMAGE, f.MASK, f.KEY, f.FILENAME, f.POINT_ROW, f.POINT_KEY}


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _records() -> list[Record]:
    image = _png(Image.new("RGB", (40, 30), "red"))
    mask = _png(Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(30, 40) % 3))
    return [
        Record(f"{name}:2", label=name, values=(1.5, -2.0), content=image, mask=mask)
        for name in ("daisy", "rose")
    ]


@pytest.mark.parametrize("task", SHIPPED)
def test_covers_every_scalar_feature_that_ingest_writes(task, tmp_path):
    import tensorflow as tf
    from tensorflow_metadata.proto.v0 import schema_pb2

    part = get_task(task).data()
    found = part.settle(Listing(_records()), tmp_path, DataConfig())
    part.settled(found)
    converted = part.convert(tmp_path, found.records[0], 512)
    written = tf.train.Example.FromString(converted.example)
    kinds = {"int64_list": "INT", "float_list": "FLOAT", "bytes_list": "BYTES"}
    expected = {
        key: (kinds[kind], len(getattr(feature, kind).value))
        for key, feature in written.features.feature.items()
        if key not in NOT_SCALAR
        for kind in [feature.WhichOneof("kind")]
    }
    # As the step asks: of the classes alone, and for the statistics without any.
    schema = get_task(task).data(found.classes).schema()
    assert expected == {
        one.name: (schema_pb2.FeatureType.Name(one.type), one.shape.dim[0].size)
        for one in schema.feature
    }
    for one in schema.feature:
        # Every feature once in every Example, with a domain: none of them is free.
        assert one.presence.min_fraction == 1
        assert one.WhichOneof("domain_info"), one.name


@pytest.mark.parametrize("task", SHIPPED)
def test_domains_are_those_of_the_code_and_the_classes(task):
    """Also that a thousand classes take no time."""
    classes = Classes(tuple(f"class {index}" for index in range(1001)))
    before = time.perf_counter()
    schema = get_task(task).data(classes).schema()
    assert time.perf_counter() - before < 5
    found = {one.name: one for one in schema.feature}
    for key in {f.WIDTH, f.HEIGHT} & set(found):
        assert (found[key].int_domain.min, found[key].int_domain.max) == (MIN_SIDE, MAX_SIDE)
    for key in {f.LABEL, f.POINT_LABEL} & set(found):
        assert (found[key].int_domain.min, found[key].int_domain.max) == (0, 1000)
    for key in {f.LABEL_NAME, f.POINT_LABEL_NAME} & set(found):
        assert tuple(found[key].string_domain.value) == classes.names
    for key in {f.MASK_FRACTIONS, f.POINT_X, f.POINT_Y} & set(found):
        assert found[key].float_domain.disallow_nan
        assert found[key].float_domain.disallow_inf
