"""Sampled requests: what is kept of them, how many, and where it ends."""

import base64
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import classification_pb2, regression_pb2
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import InputError
from serving.server.call import Call
from serving.server.observer import Observer
from serving.server.request_log import RequestLog, Sampling
from serving.wire.tensors import fill_proto


def _predict(pictures: list[bytes], **outputs: object) -> tuple:
    request, response = PredictRequest(), PredictResponse()
    fill_proto(request.inputs["image_bytes"], np.array(pictures, object))
    for name, value in outputs.items():
        values = np.array(value)
        if values.dtype.kind == "S":
            values = values.astype(object)
        fill_proto(response.outputs[name], values)
    return request, response


def _kept(prefix, request, response, *, with_bytes=False, **call):
    """The lines of one request."""
    log = RequestLog(Sampling(str(prefix), 1.0), with_bytes=with_bytes)
    observer = Observer(request_log=log)
    with observer.call("grpc", "Predict", "id-1") as seen:
        for name, value in ({"model": "pets"} | call).items():
            setattr(seen, name, value)
        observer.sample(seen, request, response)
    observer.close()
    path = Path(f"{prefix}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize("with_bytes", [False, True])
def test_pictures_are_hashed_and_answers_kept(tmp_path: Path, with_bytes: bool) -> None:
    prefix = tmp_path / "made" / "requests"
    pictures, shares = [b"\xff\xd8picture", b""], [[0.75, 0.25], [0.5, 0.5]]
    request, response = _predict(
        pictures,
        label=[b"cat", b"dog"],
        probability=np.array([0.75, np.nan], np.float32),
        probabilities=np.array(shares, np.float32),
        heatmap=np.zeros((2, 8, 8), np.float32),
        overlay_png_bytes=[b"\x89PNG\xff", b"x" * 300],
    )
    call = {"version": 3, "signature": "grad_cam", "batch_size": 2}
    (line,) = _kept(prefix, request, response, with_bytes=with_bytes, **call)
    assert line.pop("time").endswith("Z")
    assert line.pop("ms") >= 0
    hashes = [
        {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for data in (*pictures, b"\x89PNG\xff", b"x" * 300)
    ]
    if with_bytes:
        for told, data in zip(hashes, pictures, strict=False):
            told["b64"] = base64.b64encode(data).decode()
    assert line == call | {
        "request_id": "id-1",
        "api": "grpc",
        "method": "Predict",
        "model": "pets",
        "inputs": {"image_bytes": {"dtype": "string", "shape": [2], "values": hashes[:2]}},
        "outputs": {
            "label": {"dtype": "string", "shape": [2], "values": ["cat", "dog"]},
            "probability": {"dtype": "float", "shape": [2], "values": [0.75, None]},
            "probabilities": {"dtype": "float", "shape": [2, 2], "values": shares},
            "heatmap": {"dtype": "float", "shape": [2, 8, 8]},
            "overlay_png_bytes": {"dtype": "string", "shape": [2], "values": hashes[2:]},
        },
    }


def test_classify_and_regress(tmp_path: Path) -> None:
    request = classification_pb2.ClassificationRequest()
    example = request.input.example_list.examples.add()
    example.features.feature["image"].bytes_list.value.append(b"secret")
    response = classification_pb2.ClassificationResponse()
    response.result.classifications.add().classes.add(label="cat", score=0.5)
    (line,) = _kept(tmp_path / "classify", request, response)
    (told,) = line["inputs"]["examples"]["values"]
    assert told["sha256"] == hashlib.sha256(example.SerializeToString()).hexdigest()
    assert line["outputs"] == {"result": [[["cat", 0.5]]]}
    assert "secret" not in json.dumps(line)

    answer = regression_pb2.RegressionResponse()
    answer.result.regressions.add(value=2.5)
    (line,) = _kept(tmp_path / "regress", regression_pb2.RegressionRequest(), answer)
    assert line["outputs"] == {"result": [2.5]}
    assert line["inputs"]["examples"]["shape"] == [0]


def test_the_fraction_is_kept(tmp_path: Path) -> None:
    request, response = _predict([b"x"])
    for _ in range(20):
        log = RequestLog(Sampling(str(tmp_path / "some"), 0.25))
        for number in range(100):  # the queue holds only so many
            log.offer(Call("grpc", "Predict", str(number), model="pets"), request, response)
        log.close()
    lines = (tmp_path / "some.jsonl").read_text().splitlines()
    # Five standard deviations of 2000 draws.
    assert 400 < len(lines) < 600


def _config(text: str):
    return text_format.Parse(text, ModelServerConfig())


def test_each_models_own_logging_config(tmp_path: Path) -> None:
    config = _config(
        f"""model_config_list {{
          config {{ name: "all" logging_config {{
            log_collector_config {{ type: "file" filename_prefix: "{tmp_path}/all" }}
            sampling_config {{ sampling_rate: 1.0 }} }} }}
          config {{ name: "none" logging_config {{
            log_collector_config {{ filename_prefix: "{tmp_path}/none" }} }} }}
          config {{ name: "plain" }}
        }}"""
    )
    request, response = _predict([b"x"])
    log = RequestLog(Sampling(str(tmp_path / "default"), 1.0))
    log.configure(config)
    for model in ("all", "none", "plain"):
        log.offer(Call("grpc", "Predict", "1", model=model), request, response)
    log.configure(_config(""))  # a reload takes it back
    log.offer(Call("grpc", "Predict", "2", model="all"), request, response)
    log.close()
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(found) == {"all.jsonl", "default.jsonl"}
    assert [json.loads(line)["model"] for line in found["all.jsonl"].splitlines()] == ["all"]
    defaults = [json.loads(line)["model"] for line in found["default.jsonl"].splitlines()]
    assert defaults == ["plain", "all"]


@pytest.mark.parametrize(
    ("logging", "words"),
    [
        ("sampling_config { sampling_rate: 1.5 }", "expected 0 to 1, found 1.5"),
        ("sampling_config { sampling_rate: nan }", "expected 0 to 1, found nan"),
        ("sampling_config { sampling_rate: 0.5 }", "expected a file name prefix"),
        ('log_collector_config { type: "kafka" }', 'found type "kafka"'),
    ],
)
def test_a_wrong_logging_config(logging: str, words: str) -> None:
    log = RequestLog()
    config = _config(
        f'model_config_list {{ config {{ name: "m" logging_config {{ {logging} }} }} }}'
    )
    with pytest.raises(InputError, match="logging_config of model m") as caught:
        log.configure(config)
    assert words in str(caught.value)
    log.close()


def test_files_are_rotated_and_bounded(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("serving.server.line_writer.FILE_BYTES", 2000)
    prefix = tmp_path / "requests"
    request, response = _predict([b"x"])
    for number in range(100):
        log = RequestLog(Sampling(str(prefix), 1.0))
        log.offer(Call("grpc", "Predict", f"{number:03}", model="pets"), request, response)
        log.close()
    names = ["requests.jsonl", *(f"requests.{number}.jsonl" for number in (1, 2, 3, 4))]
    assert {path.name for path in tmp_path.iterdir()} == set(names)
    ids = []
    for name in reversed(names):
        text = (tmp_path / name).read_text()
        assert len(text) <= 2000
        ids += [json.loads(line)["request_id"] for line in text.splitlines()]
    # The newest are there, in order, without a gap.
    assert ids == [f"{number:03}" for number in range(100 - len(ids), 100)]
    assert 10 < len(ids) < 100


def test_what_is_too_much_to_hold_is_left_out(tmp_path: Path) -> None:
    log = RequestLog(Sampling(str(tmp_path / "big"), 1.0))
    request, response = _predict([bytes(70 * 2**20)])
    log.offer(Call("grpc", "Predict", "1", model="pets"), request, response)
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_fails_no_request(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    prefix = tmp_path / "file" / "requests"
    assert _kept(prefix, *_predict([b"x"])) == []
    assert "request log cannot be written" in caplog.text
