"""What the driver and the launcher of Kubeflow Pipelines v2 give a container.

Shapes as in kubeflow/pipelines: backend/src/v2/driver (provisionOutputs, toRuntimeArtifact) and
backend/src/v2/component/launcher_v2.go.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

RUN = "mlpipeline/v2/artifacts/linear-blobs/2f1b0f6c"
FOLDERS = {"minio": "minio", "s3": "s3", "gs": "gcs"}
UNTYPED = {"instanceSchema": ""}


@dataclass
class Backend:
    """One installation, whose launcher keeps artifacts below a folder.

    Attributes:
        prefix: that folder; `/` on a cluster.
        scheme: of the artifacts' URIs.
        before_2_15: whether the output file lies where it did then.
    """

    prefix: Path
    scheme: str = "minio"
    before_2_15: bool = False
    ids: int = 40
    artifacts: dict[str, Any] = field(default_factory=dict)

    def uri(self, task: str, key: str) -> str:
        return f"{self.scheme}://{RUN}/{task}/7c1d-salt/{key}"

    def path(self, task: str, key: str) -> Path:
        return self.prefix / FOLDERS[self.scheme] / RUN / task / "7c1d-salt" / key

    def output_file(self, task: str) -> Path:
        if self.before_2_15:
            return self.prefix / "tmp" / "kfp_outputs" / "output_metadata.json"
        return self.path(task, "output_metadata.json")

    def input(self, task: str, key: str, **metadata: Any) -> dict[str, Any]:
        """An artifact that a task wrote, as MLMD hands it on."""
        self.ids += 1
        return {
            "name": str(self.ids),
            "type": UNTYPED,
            "uri": self.uri(task, key),
            "metadata": {
                "display_name": key,
                "store_session_info": '{"Provider":"minio","Params":{"fromEnv":"false"}}',
                "tfx_version": "1.21.0",
                **metadata,
            },
        }

    def request(self, task, *, inputs, outputs, parameters):
        """ExecutorInput; an output of type str is a parameter that is asked for."""
        asked = [key for key, kind in outputs.items() if kind is str]

        def runtime(key: str, schema: dict[str, str]) -> dict[str, Any]:
            artifact = {"name": key, "type": schema, "uri": self.uri(task, key)}
            return {"artifacts": [artifact | {"metadata": {}}]}

        artifacts = {key: runtime(key, schema_of(outputs[key])) for key in {*outputs} - {*asked}}
        artifacts["executor-logs"] = runtime("executor-logs", {"schemaTitle": "system.Artifact"})
        return {
            "inputs": {
                "parameterValues": parameters | {"image": "pawlens/pipeline:0.1.0"},
                "artifacts": {key: {"artifacts": [one]} for key, one in inputs.items()},
            },
            "outputs": {
                "artifacts": artifacts,
                "parameters": {key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in asked},
                "outputFile": str(self.output_file(task)),
            },
        }

    def command(self, executor, task, *, inputs=None, outputs=None, parameters=None, beam=()):
        """Arguments of the container, with all placeholders filled in."""
        inputs, parameters = inputs or {}, parameters or {}
        request = self.request(
            task,
            inputs={key: artifact for key, (_, artifact) in inputs.items()},
            outputs=outputs or {},
            parameters=parameters,
        )
        declared = declaration({key: kind for key, (kind, _) in inputs.items()}, parameters)
        return arguments(executor, request, declared, *beam)

    def told(self, task: str) -> dict[str, Any]:
        """The output file's artifacts, by key, read as strictly as the launcher reads it."""
        from google.protobuf import json_format
        from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorOutput

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        text = self.output_file(task).read_text()
        json_format.Parse(text, ExecutorOutput())
        tree = json.loads(text, parse_constant=refuse)
        assert set(tree) == {"artifacts"}
        found = {}
        for key, listed in tree["artifacts"].items():
            [found[key]] = listed["artifacts"]
            assert set(found[key]) <= {"name", "uri", "metadata"}
            assert None not in found[key].get("metadata", {}).values()
        return found


def schema_of(kind: type) -> dict[str, str]:
    """ArtifactTypeSchema, as TFX's compiler and our pass over its output write it."""
    from tfx.orchestration.kubeflow.v2 import compiler_utils

    schema = compiler_utils.get_artifact_schema(kind)
    if kind.TYPE_NAME.startswith("system."):
        return {"schemaTitle": kind.TYPE_NAME, "schemaVersion": "0.0.1"}
    return {"instanceSchema": schema.decode() if isinstance(schema, bytes) else schema}


def declaration(inputs: dict[str, type], parameters: dict[str, Any]) -> dict[str, Any]:
    """ComponentInputsSpec, as TFX's compiler writes it."""
    types = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING"}
    return {
        "artifacts": {key: {"artifactType": schema_of(kind)} for key, kind in inputs.items()},
        "parameters": {
            name: {"parameterType": types[type(value)]} for name, value in parameters.items()
        },
    }


def arguments(executor: str, request: Any, declared: Any, *beam: str) -> list[str]:
    return [
        "--executor_class_path",
        executor,
        "--json_serialized_invocation_args",
        request if isinstance(request, str) else json.dumps(request),
        "--json_serialized_inputs_spec_args",
        declared if isinstance(declared, str) else json.dumps(declared),
        *beam,
    ]


@pytest.fixture
def make_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Backend]:
    def make(**settings: Any) -> Backend:
        prefix = tmp_path / "container"
        monkeypatch.setenv("PAWLENS_ARTIFACT_PREFIX", str(prefix))
        return Backend(prefix, **settings)

    return make


@pytest.fixture
def backend(make_backend: Callable[..., Backend]) -> Backend:
    return make_backend()


@pytest.fixture
def as_command() -> Callable[..., list[str]]:
    """The command line of an executor, a request and a declaration; see `arguments`."""
    return arguments


@pytest.fixture
def validate(backend: Backend) -> Callable[..., list[str]]:
    """The command of the step data_validation, on one split with these anomalies."""

    def make(*anomalies: str, at: Backend = backend) -> list[str]:
        from tensorflow_metadata.proto.v0 import anomalies_pb2
        from tfx.types.standard_artifacts import ExampleAnomalies

        from components.artifacts import Validation

        message = anomalies_pb2.Anomalies()
        for name in anomalies:
            message.anomaly_info[name].short_description = "is missing"
        folder = at.path("example-validator", "anomalies") / "Split-train"
        folder.mkdir(parents=True)
        (folder / "SchemaDiff.pb").write_bytes(message.SerializeToString())
        found = at.input("example-validator", "anomalies", span=0.0, split_names='["train"]')
        return at.command(
            "components.data_validation.executor.Executor",
            "data-validation",
            inputs={"anomalies": (ExampleAnomalies, found)},
            outputs={"validation": Validation},
        )

    return make
