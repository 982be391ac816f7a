"""The step on real formats, which answer elsewhere as the comparison says; its sums by hand."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from components.converter.compare import Agreement
from components.tasks import get_task
from pipelines.config import load_config
from serving.classes import Classes
from serving.errors import FailedError, InputError

FORMATS = ["tflite", "tflite_quantized", "onnx"]
TASKS = ["image_classification", "image_segmentation"]


def quality(task, probabilities, truth):
    """Accuracy, or the mean IoU of the summed pixels that are not ignored, by hand."""
    predicted = probabilities.argmax(axis=-1)
    if task == "image_classification":
        return np.mean(predicted == truth)
    counted = truth != 255
    ious = []
    for c in range(3):
        both = (predicted == c) & (truth == c)
        ious.append(both.sum() / (counted & ((predicted == c) | (truth == c))).sum())
    return np.mean(ious)


def answers(path, images):
    """What a file gives for each picture, loaded with the format's own library."""
    if path.suffix == ".onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        (taken,) = session.get_inputs()
        return session.run(None, {taken.name: images})[0]
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    rows = []
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(rows)


@pytest.mark.parametrize("task", TASKS)
def test_every_format_is_written_and_measured(make_step, task):
    step = make_step(task)
    comparison = step.run(formats=FORMATS)
    reference = step.model.predict(step.images, verbose=0)
    assert comparison["examples"] == 20
    assert comparison["metric"] == ("mean_iou" if task == "image_segmentation" else "accuracy")
    original = comparison["original"]
    assert original["value"] == pytest.approx(quality(task, reference, step.truth))
    assert original["bytes"] == 4 * step.model.count_params()
    assert [found["format"] for found in comparison["conversions"]] == FORMATS
    for found in comparison["conversions"]:
        path = step.output / found["file"]
        assert found["bytes"] == path.stat().st_size
        probabilities = answers(path, step.images)
        difference = np.abs(probabilities - reference)
        assert found["max_difference"] == pytest.approx(difference.max(), rel=0.05, abs=1e-6)
        assert found["mean_difference"] == pytest.approx(difference.mean(), rel=0.05, abs=1e-6)
        assert found["value"] == pytest.approx(quality(task, probabilities, step.truth), abs=0.002)
        agree = (probabilities.argmax(axis=-1) == reference.argmax(axis=-1)).mean()
        assert found["agreement"] == pytest.approx(agree, abs=0.002)
        assert found["ok"] and 0 < found["milliseconds"] < 1000
    quantized = comparison["conversions"][1]
    assert quantized["mean_difference"] > 10 * comparison["conversions"][0]["mean_difference"]


@pytest.mark.parametrize("task", TASKS)
def test_test_time_flip_is_part_of_the_files(make_step, task):
    """The mirror image as NumPy turns it, asked of the plain model."""
    step = make_step(task, 6, test_time_flip=True)
    comparison = step.run(formats=["tflite", "onnx"])

    def logits(images):
        return np.log(step.model.predict(images, verbose=0))

    mirrored = logits(step.images[:, :, ::-1])
    if task == "image_segmentation":
        mirrored = mirrored[:, :, ::-1]
    mean = np.exp((logits(step.images) + mirrored) / 2)
    expected = mean / mean.sum(-1, keepdims=True)
    plain = step.model.predict(step.images, verbose=0)
    assert np.abs(expected - plain).max() > 1e-4  # ten times what is told apart below
    for found in comparison["conversions"]:
        assert found["ok"]
        seen = answers(step.output / found["file"], step.images)
        np.testing.assert_allclose(seen, expected, atol=1e-5)
    assert comparison["original"]["bytes"] == 4 * step.model.count_params()


def test_only_the_formats_and_images_asked_for(make_step):
    step = make_step("image_classification")
    comparison = step.run(formats=["onnx"], images=7)
    assert comparison["examples"] == 7
    assert sorted(path.name for path in step.output.iterdir()) == ["comparison.json", "model.onnx"]


def test_what_differs_too_much_fails_with_a_line(make_step):
    step = make_step("image_classification")
    line = (
        r"the model as tflite_quantized is not the same: its probabilities differ by .*"
        r"converter\.tolerance\.tflite_quantized allows 1e-07; accuracy 0\.\d+ instead of 0\.\d+$"
    )
    with pytest.raises(FailedError, match=line):
        step.run(formats=["tflite_quantized"], tolerance={"tflite_quantized": 1e-7})
    assert [found["ok"] for found in step.comparison()["conversions"]] == [False]
    assert (step.output / "model_quantized.tflite").exists()  # to look into


def test_without_an_image_nothing_is_said_of_the_formats(make_step):
    with pytest.raises(FailedError, match="no image in the test split"):
        make_step("image_classification", 0).run(formats=["onnx"])


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        (["converter.formats=[tflit]"], r"converter\.formats\.0: expected 'tflite'.*found 'tflit'"),
        (["converter.formats=[onnx, onnx]"], r"converter\.formats: expected each format once"),
        (["converter.formats=[onnx]", "converter.tolerance.onnx=2"], r"converter\.tolerance\.onnx"),
    ],
)
def test_a_bad_section_is_told_at_the_door(sets, line):
    with pytest.raises(InputError, match=line):
        load_config("cats_vs_dogs", sets)


def test_what_is_no_number_is_no_agreement():
    found = Agreement(get_task("image_classification").evaluation(Classes(("cat", "dog"))))
    found.add(np.array([[np.nan, np.nan]]), np.array([[0.6, 0.4]]), np.array([1]))
    figures = found.figures()
    assert np.isnan(figures["max_difference"]) and np.isnan(figures["mean_difference"])
