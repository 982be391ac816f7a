"""The schemas, against the keys and the values that ingest writes."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components import features as f
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig
from components.tasks import SHIPPED, get_task

# What says nothing as a statistic: encoded images, and texts that differ in every Example.
NOT_SCALAR = {f.IMAGE, f.MASK, f.KEY, f.FILENAME, f.POINT_ROW, f.POINT_KEY}


@pytest.mark.parametrize("task", SHIPPED)
def test_covers_every_scalar_feature_that_ingest_writes(task, encode, tmp_path):
    image, mask = encode(np.zeros((30, 40, 3))), encode(np.arange(1200).reshape(30, 40) % 3)
    records = [
        Record(f"{name}:2", label=name, values=(1.5, -2.0), content=image, mask=mask)
        for name in ("daisy", "rose")
    ]
    part = get_task(task).data()
    found = part.settle(Listing(records), tmp_path, DataConfig())
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
