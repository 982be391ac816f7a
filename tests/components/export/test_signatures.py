import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.saved_model import fingerprinting_utils

from serving import names

PROBLEMS = ("classification", "segmentation")

# Runs without this project: TensorFlow and NumPy only.
STRANGER = """
import json, sys
import numpy as np, tensorflow as tf
given = np.load(sys.argv[1])
pictures = tf.constant([bytes(given[f"p{i}"]) for i in range(int(given["n"]))])
out = {}
for folder in sys.argv[3:]:
    model = tf.saved_model.load(folder)
    for name, more in (("serving_default", {}), ("grad_cam", {"class_index": tf.constant([-1])})):
        for key, value in model.signatures[name](image_bytes=pictures, **more).items():
            value = value.numpy()
            if value.dtype != object:
                out[f"{folder}/{name}/{key}"] = value
np.savez(sys.argv[2], **out)
rooms = ("components", "serving", "pipelines")
print(json.dumps([m for m in sys.modules if m.split(".")[0] in rooms]))
"""


def test_a_stranger_gets_the_same_answers(exported, pictures, tmp_path):
    """A process without this project: the graphs are self-contained."""
    given = {f"p{i}": np.frombuffer(data, np.uint8) for i, data in enumerate(pictures)}
    np.savez(tmp_path / "given.npz", n=len(pictures), **given)
    folders = {problem: str(exported[problem].folder) for problem in PROBLEMS}
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, "given.npz", "out.npz", *folders.values()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []  # nothing of the project was imported
    with np.load(tmp_path / "out.npz") as out:
        found = dict(out)
    for problem, folder in folders.items():
        here = exported[problem].call("serving_default", image_bytes=pictures)
        here = {f"serving_default/{output}": value for output, value in here.items()}
        for output, value in exported[problem].explain(pictures, -1).items():
            here[f"grad_cam/{output}"] = value
        numbers = {key for key, value in here.items() if value.dtype != object}
        told = {key for key in found if key.startswith(folder)}
        assert told == {f"{folder}/{key}" for key in numbers}
        for key in numbers:
            value = found[f"{folder}/{key}"]
            if value.dtype == np.uint8:  # a rounding may tip over
                assert (value != here[key]).mean() < 1e-3
            else:
                np.testing.assert_allclose(value, here[key], atol=1e-5)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_class_index_has_any_rank_and_a_default(exported, problem):
    signature = exported[problem].graph().signature_def[names.SIGNATURE_GRAD_CAM]
    assert signature.inputs[names.INPUT_CLASS_INDEX].tensor_shape.unknown_rank
    assert list(signature.defaults) == [names.INPUT_CLASS_INDEX]
    default = signature.defaults[names.INPUT_CLASS_INDEX]
    assert list(default.int_val) == [-1]
    # A vector: a server that batches requests together takes no scalars.
    assert [dim.size for dim in default.tensor_shape.dim] == [1]


def test_methods_are_those_of_the_calls(exported):
    signatures = exported["classification"].graph().signature_def
    methods = {name: signatures[name].method_name for name in signatures if name[0] != "_"}
    assert methods.pop("classify") == "tensorflow/serving/classify"
    assert set(methods.values()) == {"tensorflow/serving/predict"}
    # The names and ranks that TensorFlow Serving's Classify insists on.
    classify = signatures["classify"]
    assert list(classify.inputs) == ["inputs"]
    assert set(classify.outputs) == {"classes", "scores"}
    for output in classify.outputs.values():
        assert len(output.tensor_shape.dim) == 2


def test_the_fingerprint_is_that_of_the_finished_file(exported, tmp_path):
    """Written anew it is the same, but for the random id."""
    folder = tmp_path / "model"
    shutil.copytree(exported["classification"].folder, folder)
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(folder))
    fingerprinting_utils.write_fingerprint(str(folder))
    again = tf.saved_model.experimental.read_fingerprint(str(folder))
    assert again.saved_model_checksum == fingerprint.saved_model_checksum
    assert again.signature_def_hash == fingerprint.signature_def_hash


@pytest.mark.parametrize("problem", PROBLEMS)
def test_class_names_cost_nothing_unless_asked_for(exported, pictures, problem):
    output = {"classification": names.OUTPUT_PROBABILITIES, "segmentation": names.OUTPUT_MASK}
    inputs = {names.INPUT_IMAGE_BYTES: np.array(pictures, object)}
    for wanted, tiled in ((output[problem], False), (names.OUTPUT_CLASSES, True)):
        _, ran = _run_as_a_server(exported[problem], names.SIGNATURE_SERVING, wanted, inputs)
        assert tiled or "Tile" not in ran
        # Also `_FusedConv2D` and its kin: what a convolution becomes differs from CPU to CPU.
        assert any("conv2d" in op.lower() for op in ran) != tiled


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_server_computes_only_the_outputs_asked_for(exported, pictures, problem):
    model, index = exported[problem], np.array([1], np.int32)
    inputs = {names.INPUT_IMAGE_BYTES: np.array(pictures, object), names.INPUT_CLASS_INDEX: index}
    for output in (names.OUTPUT_OVERLAY_PNG, names.OUTPUT_HEATMAP):
        value, ran = _run_as_a_server(model, names.SIGNATURE_GRAD_CAM, output, inputs)
        assert ("EncodePng" in ran) == (output == names.OUTPUT_OVERLAY_PNG)
    direct = model.explain(pictures, 1)[names.OUTPUT_HEATMAP]
    np.testing.assert_allclose(value, direct, atol=1e-4)


def _run_as_a_server(model, name, wanted, inputs):
    """An output as TensorFlow Serving fetches it, and the types of the operations that ran."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        loaded = v1.saved_model.loader.load(session, ["serve"], str(model.folder))
        signature = loaded.signature_def[name]
        traced = v1.RunMetadata()
        value = session.run(
            signature.outputs[wanted].name,
            {signature.inputs[key].name: value for key, value in inputs.items()},
            options=v1.RunOptions(trace_level=v1.RunOptions.FULL_TRACE),
            run_metadata=traced,
        )
    # A label is `name = Type(inputs)`.
    labels = [n.timeline_label for d in traced.step_stats.dev_stats for n in d.node_stats]
    return value, set(re.findall(r" = (\w+)\(", "\n".join(labels)))
