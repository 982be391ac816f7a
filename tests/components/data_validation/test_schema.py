"""The schemas, against the keys and the values that ingest writes."""

import numpy as np
import pytest
from PIL import Image

from components import features as f
from components.datasets import LAYOUT_NAMES, LAYOUTS, Picture, Point

# What says nothing as a statistic: encoded pictures, and texts that differ in every Example.
NOT_SCALAR = {f.IMAGE, f.MASK, f.KEY, f.FILENAME, f.POINT_ROW, f.POINT_KEY}


def _schema(layout: str):
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    from components.data_validation.schema import schema_path

    return text_format.Parse(schema_path(layout).read_text("utf-8"), schema_pb2.Schema())


def _written(layout: str, folder) -> bytes:
    """The serialized Example that ingest makes of a picture or a point."""
    from components.example_gen.convert import convert
    from components.example_gen.convert_point import convert_point

    if layout == "blobs":
        return convert_point(Point("points.csv:2", 1.5, -2.0, 1)).example
    Image.new("RGB", (40, 30), "red").save(folder / "a.jpg")
    mask_path = None
    if layout == "pets":
        mask_path = "a.png"
        trimap = np.full((30, 40), 1, np.uint8)
        Image.fromarray(trimap).save(folder / mask_path)
    picture = Picture("a.jpg", label=0 if layout == "cats_dogs" else None, mask_path=mask_path)
    return convert(folder, picture, 512).example


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_covers_every_scalar_feature_that_ingest_writes(layout, tmp_path):
    import tensorflow as tf

    from components.data_validation.schema import stats_options

    written = tf.train.Example.FromString(_written(layout, tmp_path))
    schema = _schema(layout)
    kinds = {"int64_list": "INT", "float_list": "FLOAT", "bytes_list": "BYTES"}
    types = {
        key: kinds[feature.WhichOneof("kind")]
        for key, feature in written.features.feature.items()
        if key not in NOT_SCALAR
    }
    feature_type = type(schema).DESCRIPTOR.fields_by_name["feature"].message_type
    names = feature_type.fields_by_name["type"].enum_type.values_by_number
    assert {one.name: names[one.type].name for one in schema.feature} == types
    assert sorted(stats_options(layout).feature_allowlist) == sorted(types)
    for one in schema.feature:
        # Every feature once in every Example, with a domain: none of them is free.
        assert one.presence.min_fraction == 1
        assert [dim.size for dim in one.shape.dim] == [1]
        assert one.WhichOneof("domain_info"), one.name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_domains_are_those_of_the_code(layout):
    from components.example_gen.convert import MIN_FOREGROUND, MIN_SIDE

    schema = _schema(layout)
    texts = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    assert texts["orientation"] == f.ORIENTATIONS
    found = {one.name: one for one in schema.feature}
    for key in (f.WIDTH, f.HEIGHT):
        # 4096: the largest max_side that a configuration may ask for.
        assert (found[key].int_domain.min, found[key].int_domain.max) == (MIN_SIDE, 4096)
    if layout == "cats_dogs":
        assert texts["label_name"] == f.CLASS_NAMES
        domain = found[f.LABEL].int_domain
        assert (domain.min, domain.max) == (0, len(f.CLASS_NAMES) - 1)
    else:
        domain = found[f.MASK_FRACTIONS[0]].float_domain
        assert domain.min == pytest.approx(MIN_FOREGROUND)


def test_domains_of_points_are_those_of_the_code():
    schema = _schema("blobs")
    (names,) = (tuple(domain.value) for domain in schema.string_domain)
    assert names == f.POINT_CLASS_NAMES
    found = {one.name: one for one in schema.feature}
    domain = found[f.POINT_LABEL].int_domain
    assert (domain.min, domain.max) == (0, len(f.POINT_CLASS_NAMES) - 1)
    for key in (f.POINT_X, f.POINT_Y):
        assert found[key].float_domain.disallow_nan
        assert found[key].float_domain.disallow_inf
