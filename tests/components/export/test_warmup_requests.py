import shutil

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components.export.warmup_requests import write_warmup_requests
from serving import names
from serving.stores.versions import model_digest

PROBLEMS = ("classification", "segmentation")


def read_logs(folder):
    path = folder / names.ASSETS_EXTRA / "tf_serving_warmup_requests"
    records = tf.data.TFRecordDataset([str(path)]).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


@pytest.mark.parametrize("problem", [*PROBLEMS, "points"])
def test_every_endpoint_has_a_request_that_it_answers(exported, problem):
    asked = set()
    for log in read_logs(exported[problem].folder):
        kind = log.WhichOneof("log_type")
        if kind == "classify_log":
            request = log.classify_log.request
            examples = request.input.example_list.examples
            inputs = {"inputs": [example.SerializeToString() for example in examples]}
        else:
            assert kind == "predict_log"
            request = log.predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        spec = request.model_spec
        assert (spec.name, spec.HasField("version")) == ("", False)
        asked.add((spec.signature_name, kind))
        answer = exported[problem].call(spec.signature_name, **inputs)
        assert all(len(value) == 1 for value in answer.values())
    kinds = {f"tensorflow/serving/{kind}": f"{kind}_log" for kind in ("predict", "classify")}
    signatures = exported[problem].graph().signature_def
    assert asked == {(k, kinds[one.method_name]) for k, one in signatures.items() if k[0] != "_"}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_heatmap_alone_is_warmed_up_too(exported, problem):
    filters = [
        list(log.predict_log.request.output_filter)
        for log in read_logs(exported[problem].folder)
        if log.predict_log.request.model_spec.signature_name == names.SIGNATURE_GRAD_CAM
    ]
    assert sorted(filters) == [[], [names.OUTPUT_HEATMAP]]


def test_they_do_not_count_for_the_content(exported, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(exported["classification"].folder, folder)
    before = model_digest(folder)
    write_warmup_requests(folder, [])
    assert read_logs(folder) == []
    assert model_digest(folder) == before
