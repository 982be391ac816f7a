"""Our own executors, asked as the backend asks."""

import json
from pathlib import Path
from typing import Any

import pytest
from tfx.types.standard_artifacts import Examples, Model

from components.artifacts import INGEST_SUMMARY, VALIDATION, Quarantine
from components.beam_args import complete
from components.datasets.synth import synthesize
from components.example_gen import ExampleGenConfig, ImageExampleGen
from components.example_gen.driver import fingerprint_folder
from pipelines.kubeflow.entrypoint import main

PROGRAM = Path(__file__).parents[4] / "pipelines" / "kubeflow" / "entrypoint.py"
IN_MEMORY = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


def _example_gen_parameters(data: Path) -> dict[str, Any]:
    """Execution properties of the compiled step."""
    buckets = ExampleGenConfig(train_buckets=6, eval_buckets=2, test_buckets=2)
    component = ImageExampleGen(str(data), task="points", config=buckets)
    return {key: value for key, value in component.exec_properties.items() if value is not None}


@pytest.mark.parametrize(
    ("scheme", "generation"), [("minio", "2.5"), ("s3", "2.17"), ("gs", "later")]
)
def test_data_validation(make_backend, validate, scheme, generation):
    backend = make_backend(scheme=scheme, generation=generation)
    assert main(validate(at=backend)) == 0
    told = backend.told("data-validation")
    assert told == {
        "validation": {
            "name": "validation",
            "uri": backend.uri("data-validation", "validation"),
            "metadata": {"tfx_version": "1.21.0"},
        }
    }
    written = backend.path("data-validation", "validation") / VALIDATION
    assert json.loads(written.read_text()) == {"anomalies": [], "splits": ["train"]}
    assert not backend.path("data-validation", "executor-logs").exists()


def test_example_gen_without_its_driver(backend, tmp_path):
    data = tmp_path / "data"
    synthesize(data, "points", 120)
    command = backend.command(
        "components.example_gen.executor.Executor",
        "example-gen",
        outputs={"examples": Examples, "quarantine": Quarantine},
        parameters=_example_gen_parameters(data),
        beam=tuple(complete(IN_MEMORY)),
    )
    # The backend gives numbers as they stand in JSON: 1 and 1.0 are one.
    assert main([text.replace('"rehash": 0', '"rehash": 0.0') for text in command]) == 0

    summary = backend.path("example-gen", "quarantine") / INGEST_SUMMARY
    assert json.loads(summary.read_text())["accepted"] == 120
    for split in ("train", "eval", "test"):
        files = backend.path("example-gen", "examples") / f"Split-{split}"
        assert list(files.glob("data_tfrecord-*.gz"))
    told = backend.told("example-gen")
    assert told["examples"]["uri"] == backend.uri("example-gen", "examples")
    metadata = told["examples"]["metadata"]
    assert json.loads(metadata["split_names"]) == ["train", "eval", "test"]
    assert metadata["input_fingerprint"] == fingerprint_folder(data)
    assert metadata["custom:span"] == 0
    assert metadata["payload_format"] == "FORMAT_TF_EXAMPLE"
    assert told["quarantine"]["uri"] == backend.uri("example-gen", "quarantine")


def test_the_command_in_a_process_of_its_own(zygote, backend, tmp_path):
    serving = tmp_path / "models"
    for folder in (backend.path("trainer", "model") / "Format-Serving", serving / "7"):
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(folder.name.encode())
    candidate = backend.input("trainer", "model")
    command = backend.command(
        "components.baseline.executor.Executor",
        "baseline",
        inputs={"model": (Model, candidate)},
        outputs={"baseline": Model},
        parameters={"model_base_path": str(serving), "model_config_file": ""},
    )
    ended = zygote.call(PROGRAM, *command, PAWLENS_ARTIFACT_PREFIX=str(backend.prefix))
    copy = backend.path("baseline", "baseline") / "Format-Serving" / "saved_model.pb"
    assert copy.read_bytes() == b"7"
    assert backend.told("baseline")["baseline"]["metadata"]["version"] == 7
    log = ended.output
    assert "step baseline (components.baseline.executor.Executor)" in log
    assert f"input model: Model {candidate['uri']}" in log
    assert f"parameter model_base_path: {serving}" in log
    assert f"output baseline: {backend.uri('baseline', 'baseline')}: 1 files, 0.0 MB" in log
    assert log.strip().splitlines()[-1].partition("pawlens: ")[2].startswith("baseline: done in ")
