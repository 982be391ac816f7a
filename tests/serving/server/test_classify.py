"""Classify, Regress and MultiInference, with models of TensorFlow 1 and 2."""

from collections.abc import Callable
from typing import Any

import pytest
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
PREDICT = "tensorflow/serving/predict"
SHAPES = "[batch_size] or [batch_size, 1]"
ALONE = {"labels": (True, False), "scores": (False, True)}  # with class names, with scores


@pytest.fixture
def asking(fill_examples: Callable) -> Callable[..., Any]:
    """A request of any kind with Examples of `x`, and a context."""

    def request(kind, model, signature, *values, **context):
        made = kind(model_spec={"name": model, "signature_name": signature})
        fill_examples(made.input, *values, **context)
        return made

    return request


def _classes(result: Any) -> list[list[tuple[str, float]]]:
    rows = result.classifications
    return [[(one.label, pytest.approx(one.score)) for one in row.classes] for row in rows]


@pytest.mark.parametrize(
    ("model", "signature"),
    [("examples", ""), ("examples", "plain"), *(("old", x) for x in ("classify", *ALONE))],
)
def test_classify(stub: Any, asking: Callable, model: str, signature: str) -> None:
    request = asking(ClassificationRequest, model, signature, 0.25, 0.5, 1.0)
    response = stub.Classify(request, timeout=60)
    named, scored = ALONE.get(signature, (True, True))
    rows = [[("low", 1 - x), ("high", x)] for x in (0.25, 0.5, 1.0)]
    expected = [[(named * label, scored * score) for label, score in row] for row in rows]
    assert _classes(response.result) == expected
    spec = response.model_spec
    assert (spec.name, spec.version.value) == (model, 2)
    assert spec.signature_name == (signature or "serving_default")


@pytest.mark.parametrize(("model", "slope"), [("examples", 2.0), ("old", 3.0)])
def test_regress(stub, asking, model: str, slope: float) -> None:
    request = asking(RegressionRequest, model, "regress", 0.25, -4.0)
    response = stub.Regress(request, timeout=60)
    values = [one.value for one in response.result.regressions]
    assert values == pytest.approx([0.25 * slope, -4.0 * slope])
    assert response.model_spec.signature_name == "regress"


def test_a_context_belongs_to_every_example(stub, asking) -> None:
    request = asking(RegressionRequest, "old", "regress", 1.0, 2.0, bias=10.0)
    values = [one.value for one in stub.Regress(request, timeout=60).result.regressions]
    assert values == pytest.approx([33.0, 36.0])
    # What both have is the Example's.
    request = asking(RegressionRequest, "old", "regress", 1.0, x=7.0)
    assert stub.Regress(request, timeout=60).result.regressions[0].value == pytest.approx(3.0)


def _multi(*tasks: tuple[str, str, str]) -> MultiInferenceRequest:
    specs = [{"name": model, "signature_name": signature} for model, signature, _ in tasks]
    made = [{"model_spec": s, "method_name": t[-1]} for s, t in zip(specs, tasks, strict=True)]
    return MultiInferenceRequest(tasks=made)


def test_multi_inference(stub, fill_examples) -> None:
    request = _multi(("old", "regress", REGRESS), ("old", "classify", CLASSIFY))
    fill_examples(request.input, 0.25, 0.5)
    response = stub.MultiInference(request, timeout=60)
    first, second = response.results
    assert [one.value for one in first.regression_result.regressions] == pytest.approx([0.75, 1.5])
    expected = [[("low", 1 - x), ("high", x)] for x in (0.25, 0.5)]
    assert _classes(second.classification_result) == expected
    specs = [result.model_spec for result in response.results]
    assert [spec.signature_name for spec in specs] == ["regress", "classify"]
    assert [spec.version.value for spec in specs] == [2, 2]


NO_SIGNATURE = "No signature was found with the name: nope"
MISFITS = {
    "Classify": [
        ("nope", NO_SIGNATURE),
        ("numbered", "Expected classes Tensor of DT_STRING. Got: DT_INT64"),
        ("flat", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("double", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("short", "Expected scores output batch size of 2. Got: 1"),
        ("uneven", "Tensors class and score should match in dim_size(1). Got 2 vs. 1"),
        ("many", "Expected one or two output Tensors, found 3"),
    ],
    "Regress": [
        ("nope", NO_SIGNATURE),
        ("classify", "Expected one output Tensor."),
        ("wide", f"Expected output Tensor shape to be either {SHAPES} but got [2,2]"),
        ("whole", "Expected output Tensor of DT_FLOAT.  Got: DT_INT32"),
        ("few", "Input batch size did not match output batch size: 2 vs. 1"),
    ],
}


@pytest.mark.parametrize(
    ("method", "signature", "message"),
    [(method, *row) for method, rows in MISFITS.items() for row in rows],
)
def test_misfits(stub, asking, refusal, *, method: str, signature: str, message: str) -> None:
    kind = ClassificationRequest if method == "Classify" else RegressionRequest
    request = asking(kind, "old", signature, 0.25, 0.5)
    assert refusal(getattr(stub, method), request) == ("INVALID_ARGUMENT", message)


def test_methods_are_checked_where_that_is_asked_for(
    start_here, bases, asking, predicting, refusal
) -> None:
    server = start_here(bases, enable_signature_method_name_check=True)
    was = "signature method_name to be"
    with server.stub() as stub:
        request = asking(ClassificationRequest, "examples", "plain", 0.25)
        message = f"Expected classification {was} {CLASSIFY}. Was: {PREDICT}"
        assert refusal(stub.Classify, request) == ("INVALID_ARGUMENT", message)
        request.model_spec.signature_name = ""
        assert stub.Classify(request, timeout=60).result.classifications
        tasks = _multi(("old", "regress", REGRESS), ("old", "classify", REGRESS))
        message = f"Expected regression {was} {REGRESS}. Was: {CLASSIFY}"
        assert refusal(stub.MultiInference, tasks) == ("INVALID_ARGUMENT", message)
        # Predict runs all methods' signatures, but no other.
        examples = [one.SerializeToString() for one in request.input.example_list.examples]
        assert stub.Predict(predicting("examples", inputs=examples), timeout=60).outputs
        message = f"Expected prediction {was} one of {{{PREDICT}, {CLASSIFY}, {REGRESS}}}. Was: "
        request = predicting("pictures", "__saved_model_init_op")
        assert refusal(stub.Predict, request) == ("INVALID_ARGUMENT", message)


def test_signatures_of_other_names(stub, asking, refusal) -> None:
    for signature, words in (("renamed", "No classification inputs"), ("nameless", '"scores"')):
        request = asking(ClassificationRequest, "old", signature, 0.25)
        code, message = refusal(stub.Classify, request)
        assert code == "FAILED_PRECONDITION"
        assert words in message


def test_no_examples(stub, refusal) -> None:
    for kind, method in ((ClassificationRequest, "Classify"), (RegressionRequest, "Regress")):
        call = getattr(stub, method)
        assert refusal(call, kind()) == ("INVALID_ARGUMENT", "Missing ModelSpec")
        request = kind(model_spec={"name": "old", "signature_name": method.lower()})
        assert refusal(call, request) == ("INVALID_ARGUMENT", "Input is empty.")
        request.input.example_list_with_context.context.SetInParent()
        assert refusal(call, request) == ("INVALID_ARGUMENT", "Input is empty.")


def test_a_wrong_example_is_named(stub, asking, refusal) -> None:
    request = asking(ClassificationRequest, "examples", "", 0.25, 0.5, 1.0)
    del request.input.example_list.examples[1].features.feature["x"]
    code, message = refusal(stub.Classify, request)
    assert code == "INVALID_ARGUMENT"
    assert message.startswith("input inputs, position 1: ")
    assert "x" in message


OLD = ("old", "regress", REGRESS)
MISFITS_TOGETHER = [
    ([], "ModelSpec has no name specified."),
    ([OLD, ("", "classify", CLASSIFY)], "Found ModelSpec with an empty model name."),
    (
        [OLD, ("examples", "", CLASSIFY)],
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    ),
    ([OLD, OLD], "Duplicate evaluation of signature: regress"),
    ([("old", "nope", REGRESS)], "Requested signature not found in model graph: nope"),
    ([("old", "serving_default", PREDICT)], f"Unsupported signature method_name: {PREDICT}"),
    ([("old", "classify", REGRESS)], "Expected one output Tensor."),
    (
        [("examples", "regress", REGRESS), ("examples", "", CLASSIFY)],
        "Input tensor must be the same for all Signatures.",
    ),
    ([OLD], "Input is empty."),
]


@pytest.mark.parametrize(("tasks", "message"), MISFITS_TOGETHER)
def test_misfits_of_multi_inference(stub, refusal, tasks: list, message: str) -> None:
    code = "UNIMPLEMENTED" if message.startswith("Unsupported") else "INVALID_ARGUMENT"
    assert refusal(stub.MultiInference, _multi(*tasks)) == (code, message)
