"""Our own executors, asked as the backend asks."""

import json
from pathlib import Path

import pytest
from tfx.types.standard_artifacts import Examples, Model

from components.artifacts import INGEST_SUMMARY, VALIDATION, Quarantine
from components.beam_args import complete
from components.datasets.settings import DataConfig
from components.datasets.synth import synthesize
from components.example_gen import ExampleGenConfig, ImageExampleGen
from components.example_gen.driver import fingerprint_folder
from pipelines.kubeflow.entrypoint import main
from serving.stores.versions import model_digest

PROGRAM = Path(__file__).parents[4] / "pipelines" / "kubeflow" / "entrypoint.py"
EXECUTOR = "components.example_gen.executor.Executor"
IN_MEMORY = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


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


@pytest.fixture
def ingest(backend, tmp_path):
    """ingest(layout): asks example_gen's driver; the step's own command."""
    data = tmp_path / "data"
    synthesize(data, "points", 120)

    def ask(layout=""):
        buckets = ExampleGenConfig(train_buckets=6, eval_buckets=2, test_buckets=2)
        settings = {"data": DataConfig(layout=layout), "config": buckets}
        given = dict(ImageExampleGen(str(data), task="points", **settings).exec_properties)
        mark, outputs = "example-gen-fingerprint", {"input_fingerprint": str}
        assert main(backend.command(EXECUTOR, mark, outputs=outputs, parameters=given)) == 0
        told = json.loads(backend.output_file(mark).read_text())
        assert told == {"parameterValues": {"input_fingerprint": fingerprint_folder(data)}}
        return backend.command(
            EXECUTOR,
            "example-gen",
            outputs={"examples": Examples, "quarantine": Quarantine},
            parameters=given | told["parameterValues"],
            beam=tuple(complete(IN_MEMORY)),
        )

    return ask


def test_what_changed_is_not_kept_under_its_old_fingerprint(
    ingest, backend, tmp_path, monkeypatch, capfd
):
    (tmp_path / "growing.py").write_text(
        "from components.datasets.layouts import points\n\n"
        "def read(root, data):\n"
        "    found = points.read(root, data)\n"
        "    (root / 'late.csv').touch()\n"
        "    return found\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    command = ingest("growing:read")
    summary = backend.path("example-gen", "quarantine") / INGEST_SUMMARY
    for reads in (True, False):  # a retry does not even begin
        assert main(command) == 2
        last = capfd.readouterr().err.strip().splitlines()[-1]
        assert "example_gen: what the step reads: expected no change since its input_fing" in last
        assert not backend.output_file("example-gen").exists()
        assert summary.exists() == reads
        summary.unlink(missing_ok=True)


def test_a_pipeline_that_an_older_version_compiled(ingest, capfd):
    assert main([text.replace("input_fingerprint", "input_base_") for text in ingest()]) == 2
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert "parameter input_fingerprint: expected a value; compile the pipeline again" in last


def test_example_gen_after_its_driver(ingest, backend, tmp_path):
    # The backend gives numbers as they stand in JSON: 1 and 1.0 are one.
    assert main([text.replace('"rehash": 0', '"rehash": 0.0') for text in ingest()]) == 0
    summary = backend.path("example-gen", "quarantine") / INGEST_SUMMARY
    assert json.loads(summary.read_text())["accepted"] == 120
    for split in ("train", "eval", "test"):
        files = backend.path("example-gen", "examples") / f"Split-{split}"
        assert list(files.glob("data_tfrecord-*.gz"))
    told = backend.told("example-gen")
    assert told["examples"]["uri"] == backend.uri("example-gen", "examples")
    metadata = told["examples"]["metadata"]
    assert json.loads(metadata["split_names"]) == ["train", "eval", "test"]
    assert metadata["input_fingerprint"] == fingerprint_folder(tmp_path / "data")
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
        parameters={
            "model_base_path": str(serving),
            "model_config_file": "",
            "baseline_digest": model_digest(serving / "7"),
        },
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
