"""Kubeflow Pipelines' driver and launcher as a container meets them, in each generation.

Rules as in kubeflow/pipelines, backend/src/v2: driver (provisionOutputs, toRuntimeArtifact,
convertArtifactToRuntimeArtifact), component/launcher_v2.go and objectstore/object_store.go. `2.5`
is 2.5 to 2.14, `2.17` what followed with ML Metadata, `later` what comes without it after 2.18.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.local import status, subprocess_task_handler
from kfp.pipeline_spec.pipeline_spec_pb2 import ExecutorOutput

GENERATIONS = ("2.5", "2.17", "later")
STORE = "mlpipeline/v2/artifacts"
FOLDERS = {"minio": "minio", "s3": "s3", "gs": "gcs"}
OUTPUT_FILE = "output_metadata.json"
LOGS = "executor-logs"
FLAGS = (
    "executor_class_path",
    "json_serialized_invocation_args",
    "json_serialized_inputs_spec_args",
)
ENTRYPOINT = Path(__file__).parents[3] / "pipelines" / "kubeflow" / "entrypoint.py"

_WRAPS = {list: "list", dict: "struct"}  # what ML Metadata holds one level deeper


@dataclass
class Backend:
    """One installation."""

    prefix: Path  # below it the launcher keeps artifacts; `/` on a cluster
    scheme: str = "minio"
    generation: str = "2.17"
    records: dict[str, Any] = field(default_factory=dict)  # by URI: key, number, schema, metadata
    asked: dict[str, Any] = field(default_factory=dict)  # by task: outputs

    @property
    def store(self) -> str:
        return f"{self.scheme}://{STORE}"

    def root(self, task: str) -> str:
        return f"{self.store}/linear-blobs/2f1b0f6c/{task}/7c1d-salt"

    def uri(self, task: str, key: str) -> str:
        return f"{self.root(task)}/{key}"

    def local(self, uri: str) -> Path:
        """LocalPathForURI."""
        scheme, _, rest = uri.partition("://")
        return self.prefix / FOLDERS[scheme] / rest

    def path(self, task: str, key: str) -> Path:
        return self.local(self.uri(task, key))

    def output_file(self, task: str, root: str = "") -> Path:
        if self.generation == "2.5":
            return self.prefix / "tmp" / "kfp_outputs" / OUTPUT_FILE
        return self.local(root or self.root(task)) / OUTPUT_FILE

    def input(self, task: str, key: str, **metadata: Any) -> dict[str, Any]:
        """An artifact that a task wrote, as an input of another."""
        schema = {"instanceSchema": "title: tfx.Thing\ntype: object\n"}
        uri, number = self.uri(task, key), len(self.records)
        self.records[uri] = key, number, schema, {"tfx_version": "1.21.0"} | metadata
        return self.hand_on(uri)

    def hand_on(self, uri: str) -> dict[str, Any]:
        """RuntimeArtifact of an input."""
        key, number, schema, metadata = self.records[uri]
        if self.generation == "later":
            title = schema.get("instanceSchema") or schema["schemaTitle"]
            about = {"name": key, "artifactId": f"artifact-{number}", "uri": uri}
            more = {"metadata": metadata} if metadata else {}
            return about | {"type": {"schemaTitle": title}} | more
        session = '{"Provider":"minio","Params":{"fromEnv":"false"}}'
        wrapped = {
            name: {_WRAPS[type(value)]: value} if type(value) in _WRAPS else value
            for name, value in metadata.items()
        } | {"display_name": key, "store_session_info": session}
        about = {"name": f"{number + 41}", "type": {"instanceSchema": ""}, "uri": uri}
        return about | {"metadata": wrapped}

    def provide(self, root: str, schemas: dict[str, Any]) -> dict[str, Any]:
        """Artifacts of provisionOutputs."""
        return {
            key: {"artifacts": [{"name": key, "type": one, "uri": f"{root}/{key}", "metadata": {}}]}
            for key, one in (schemas | {LOGS: {"schemaTitle": "system.Artifact"}}).items()
        }

    def request(self, task, *, inputs, outputs, parameters):
        """ExecutorInput; an output of type str is a parameter that is asked for."""
        asked = [key for key, kind in outputs.items() if kind is str]
        schemas = {key: schema_of(outputs[key]) for key in outputs.keys() - asked}
        self.asked[task] = self.provide(self.root(task), schemas)
        return {
            "inputs": {
                "parameterValues": parameters | {"image": "pawlens/pipeline:0.1.0"},
                "artifacts": {key: {"artifacts": [one]} for key, one in inputs.items()},
            },
            "outputs": {
                "artifacts": dict(self.asked[task]),
                "parameters": {key: {"outputFile": f"/tmp/kfp/outputs/{key}"} for key in asked},
                "outputFile": str(self.output_file(task)),
            },
        }

    def command(self, executor, task, *, inputs=None, outputs=None, parameters=None, beam=()):
        """Arguments of the container, with all placeholders filled in."""
        parameters = parameters or {}
        kinds = {key: kind for key, (kind, _) in (inputs or {}).items()}
        given = {key: artifact for key, (_, artifact) in (inputs or {}).items()}
        request = self.request(task, inputs=given, outputs=outputs or {}, parameters=parameters)
        return arguments(executor, request, declaration(kinds, parameters), *beam)

    def told(self, task: str) -> dict[str, Any]:
        """The output file's artifacts, by key, when the launcher has taken what they stand for."""
        return self.collect(self.asked[task], self.output_file(task))

    def collect(self, outputs: dict[str, Any], written: Path) -> dict[str, Any]:
        """uploadOutputArtifacts up to the upload: checks what a step told, and records it."""

        def refuse(constant: str) -> None:
            raise ValueError(f"{constant} is not JSON")

        text = written.read_text()
        json_format.Parse(text, ExecutorOutput())  # protojson is as strict
        assert str(self.prefix) not in text
        tree = json.loads(text, parse_constant=refuse)
        made = tree.pop("artifacts", {})
        assert set(made) == outputs.keys() - {LOGS}
        assert set(tree) <= {"parameterValues"}
        found = {}
        for key, listed in made.items():
            [asked], [one] = outputs[key]["artifacts"], listed["artifacts"]
            assert set(one) <= {"name", "uri", "metadata"}
            metadata, schema = one.get("metadata", {}), asked["type"]
            assert None not in metadata.values()
            assert f"{one['uri']}/".startswith(f"{asked['uri']}/")
            if self.generation == "later":  # older ones only warn of what is not there
                title = schema.get("schemaTitle")
                numbers = all(isinstance(value, float) for value in metadata.values())
                assert numbers if title == "system.Metrics" else self.local(one["uri"]).exists()
            self.records[one["uri"]] = key, len(self.records), schema, metadata
            found[key] = one
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
    texts = [one if isinstance(one, str) else json.dumps(one) for one in (request, declared)]
    pairs = zip(FLAGS, (executor, *texts), strict=True)
    return [word for flag, value in pairs for word in (f"--{flag}", value)] + list(beam)


class Launcher(subprocess_task_handler.SubprocessTaskHandler):
    """One pod, in place of a process of kfp.local, whose folder of artifacts is the object store.

    The class holds what a test sets: `zygote`, `pods` (a folder), `backend` and `logs`. It does not
    start for a task of `cached` that was told the same before: its output is in `made`.
    """

    zygote = None
    pods = Path()
    backend = Backend(Path())
    logs: dict[str, str] = {}
    cached: set[str] = set()
    made: dict[str, str] = {}

    def validate_image(self, image):
        assert image == "{{$.inputs.parameters['image']}}"

    def validate_not_container_component(self, full_command):
        assert full_command[:3] == ["python", "-m", "pipelines.kubeflow.entrypoint"]

    def run(self):
        arguments = self.full_command[3:]
        place = arguments.index(f"--{FLAGS[1]}") + 1
        told = json.loads(arguments[place])
        output, key = (
            Path(told["outputs"]["outputFile"]),
            json.dumps([*arguments[:place], told["inputs"]]),
        )
        task = output.parent.name
        if task in self.cached and key in self.made:
            output.parent.mkdir(parents=True)
            output.write_text(self.made[key])
            return status.Status.SUCCESS
        self.pod = self.backend.prefix = self.pods / task
        request = json.loads(arguments[place].replace(self.pipeline_root, self.backend.store))
        written = self._provide(request)
        arguments[place] = json.dumps(request)
        ended, self.logs[self.pod.name] = self.execute(arguments)
        if ended:
            return status.Status.FAILURE
        for one in self.backend.collect(request["outputs"]["artifacts"], written).values():
            _copy(self.backend.local(one["uri"]), self._stored(one["uri"]))
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(written.read_text().replace(self.backend.store, self.pipeline_root))
        self.made[key] = output.read_text()
        shutil.rmtree(self.pod)  # nothing but what was uploaded outlives a pod
        return status.Status.SUCCESS

    def execute(self, arguments):
        """Runs the entrypoint where the pod's folder is `root`; its status and its output."""
        ended = self.zygote.call(
            ENTRYPOINT, *arguments, status=None, PAWLENS_ARTIFACT_PREFIX=str(self.root)
        )
        return ended.status, ended.output

    @property
    def root(self):
        """What the pod takes its folder for."""
        return self.pod

    def _stored(self, uri):
        return Path(self.pipeline_root, uri.removeprefix(f"{self.backend.store}/"))

    def _provide(self, request):
        """Brings inputs and gives the request the backend's shape; where to look for the answer."""
        for given in request["inputs"].get("artifacts", {}).values():
            uri = given["artifacts"][0]["uri"]
            given["artifacts"] = [self.backend.hand_on(uri)]
            stored, place = self._stored(uri), self.backend.local(uri)
            # Without a slash at its end, a prefix also fits siblings with longer names.
            prefix = f"{stored.name}*" if self.backend.generation == "2.5" else stored.name
            for found in stored.parent.glob(prefix):
                _copy(found, place.with_name(found.name))
        outputs = request["outputs"].get("artifacts", {})
        schemas = {key: one["artifacts"][0]["type"] for key, one in outputs.items()}
        root = request["outputs"]["outputFile"].rpartition("/")[0]
        written = self.backend.output_file("", root)
        request["outputs"] |= {
            "artifacts": self.backend.provide(root, schemas),
            "outputFile": str(self.root / written.relative_to(self.pod)),
        }
        self.backend.local(root).mkdir(parents=True)
        (self.backend.local(root) / LOGS).touch()
        return written


def _copy(source, target):
    """As an object store does: without empty folders."""
    for path in (source, *source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
