import json
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.statistics_gen import stats_artifact_utils

from components import features as f
from components.artifacts import VALIDATION
from components.data_validation import DataValidation
from components.data_validation.executor import read_anomalies
from components.datasets.records import Listing, Record
from components.datasets.settings import DataConfig
from components.tasks import SHIPPED, get_task
from serving.errors import InputError


def test_statistics_in_worker_processes_need_and_get_the_stand_in(check, good, run_step, tmp_path):
    """Also the good case: scalars alone are counted, and the verdict is written."""
    workers = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
    row = good["image_classification"]
    daisy = {f.LABEL: 0, f.LABEL_NAME: b"daisy", f.ORIENTATION: b"square", f.HEIGHT: 320}
    splits = {"train": [row] * 3 + [row | daisy]}
    statistics_artifact, anomalies = check(tmp_path, "image_classification", splits, workers)
    statistics = stats_artifact_utils.load_statistics(statistics_artifact, "train").proto()
    (dataset,) = statistics.datasets
    assert dataset.num_examples == 4
    by_name = {one.path.step[0]: one for one in dataset.features}
    scalars = {f.WIDTH, f.HEIGHT, f.ORIENTATION, f.LABEL, f.LABEL_NAME}
    assert set(by_name) == scalars
    assert by_name[f.HEIGHT].num_stats.mean == pytest.approx((3 * 200 + 320) / 4)

    run_step(DataValidation, tmp_path, {"anomalies": anomalies})
    told = json.loads((tmp_path / "validation" / VALIDATION).read_text())
    assert told == {"anomalies": [], "splits": ["train"]}


# By task: the bad split, and in it feature and bad value, one Example each (None: missing).
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "image_classification": (
        "eval",
        {f.LABEL: 3, f.LABEL_NAME: b"bird", f.WIDTH: 5000, f.HEIGHT: 15, f.ORIENTATION: None},
    ),
    "image_segmentation": (
        "test",
        {f.MASK_FRACTIONS: [0.5, 0.5], f.ORIENTATION: b"diagonal", f.WIDTH: None},
    ),
    "points": (
        "train",
        {f.POINT_X: 101.0, f.POINT_Y: None, f.POINT_LABEL: 3, f.POINT_LABEL_NAME: b"cat"},
    ),
}


def _without_none(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


@pytest.fixture(scope="module")
def bad_anomalies(check, good, tmp_path_factory) -> dict[str, Any]:
    """Anomalies by task: of the bad split beside a good and an empty one.

    Of image_segmentation no Example of the bad split has a width: the whole column is missing.
    """
    found = {}
    for task, (split, values) in BAD.items():
        row = good[task]
        bad = [_without_none(row | {key: value}) for key, value in values.items()]
        if task != "image_segmentation":
            splits = {split: [*bad, row], "good": [row]}
        else:
            splits = {split: [_without_none(one | {f.WIDTH: None}) for one in bad], "empty": []}
        found[task] = check(tmp_path_factory.mktemp(task), task, splits)[1]
    return found


@pytest.mark.parametrize("task", BAD)
def test_bad_values_are_named_and_stop_the_run(bad_anomalies, task, run_step, tmp_path):
    split, values = BAD[task]
    lines = read_anomalies(bad_anomalies[task])
    found = [line.split(": ")[:2] for line in lines if not line.startswith("empty: ")]
    assert sorted(found) == sorted([split, feature] for feature in values)
    assert ("empty: no Examples" in lines) == (task == "image_segmentation")
    with pytest.raises(InputError) as caught:
        run_step(DataValidation, tmp_path, {"anomalies": bad_anomalies[task]})
    text = str(caught.value)
    assert all(line in text for line in lines)
    assert "\n" not in text
    assert not list((tmp_path / "validation").iterdir())


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
