"""What a pipeline needs on a server before it can run: itself, its version, an experiment."""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client.options import Wish
from pipelines.kubeflow.client.server import Server
from serving.errors import InputError, check_one_of

if TYPE_CHECKING:
    from pipelines.kubeflow.compiler import Compiled

DIGEST_LENGTH = 12
_FLAG = "--param"
# KFP's types: what a value looks like, and what JSON makes of it.
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "STRING": ("a text", (str,)),
    "NUMBER_INTEGER": ("a whole number", (int,)),
    "NUMBER_DOUBLE": ("a number", (int, float)),
    "BOOLEAN": ("true or false", (bool,)),
    "LIST": ("a list in JSON", (list,)),
    "STRUCT": ("an object in JSON", (dict,)),
}


def prepare(server: Server, package: "Compiled", wish: Wish, console: Console) -> dict[str, Any]:
    """Sees that all is there that a run or a schedule of a pipeline needs.

    Returns:
        What both have in common, as arguments of their models. Whether steps are cached stays as
        compiled.

    Raises:
        InputError: something of it is refused.
        FailedError: the server fails.
    """
    parameters = read_parameters(wish.parameters or [], package.parameters)
    version, known = ensure_version(server, package)
    shown = version.display_name or version.name
    console.print(f"pipeline  {package.name}, version {shown} ({known})")
    return {
        "experiment_id": ensure_experiment(server, wish.experiment or package.name),
        "pipeline_version_reference": api.V2beta1PipelineVersionReference(
            pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
        ),
        "runtime_config": api.V2beta1RuntimeConfig(
            parameters=parameters, pipeline_root=wish.pipeline_root or None
        ),
        "service_account": wish.service_account or package.service_account or None,
    }


def ensure_experiment(server: Server, name: str) -> str:
    """The id of an experiment, which is made if it is missing."""
    wanted = api.V2beta1Experiment(display_name=name, **server.scope)
    found = _ensure(server, "experiment_service", "experiment", name, wanted)
    return str(found.experiment_id)


def ensure_version(server: Server, package: "Compiled") -> tuple[api.V2beta1PipelineVersion, str]:
    """The version that has just this content, and a word for whether it was there.

    A version's name is the time and the first digits of the content's SHA-256, so the same content
    is found again. Only whole versions are listed.
    """
    content = package.to_yaml()
    digest = hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
    wanted = api.V2beta1Pipeline(name=package.name, display_name=package.name, **server.scope)
    pipeline = _ensure(server, "pipeline_service", "pipeline", package.name, wanted)
    pipeline_id = str(pipeline.pipeline_id)

    def find() -> api.V2beta1PipelineVersion | None:
        method = "pipeline_service_list_pipeline_versions"
        found = server.named(method, f"-{digest}", "IS_SUBSTRING", pipeline_id=pipeline_id)
        return next(iter(found), None)

    if (known := find()) is not None:
        return known, "as uploaded before"
    # The generated client takes a path.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pipeline.yaml")
        file.write_text(content, encoding="utf-8")

        def send() -> api.V2beta1PipelineVersion:
            # Another one each time: that of a version that failed half-way stays taken.
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{digest}"
            return server.once(
                "upload_pipeline_version", uploadfile=str(file), name=name, pipelineid=pipeline_id
            )

        return server.make(find, send), "new"


def _ensure(server: Server, service: str, kind: str, name: str, wanted: Any) -> Any:
    """What has this name, which is made as wanted if it is missing."""

    def find() -> Any:
        found = server.named(f"{service}_list_{kind}s", name, **server.scope)
        return next(iter(found), None)

    def send() -> Any:
        return server.once(f"{service}_create_{kind}", **{kind: wanted})

    return find() or server.make(find, send)


def read_parameters(
    texts: Iterable[str], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Reads `NAME=VALUE` for the parameters of a pipeline, in the types that it declares.

    Args:
        texts: as on the command line.
        declared: by name, `parameterType` (one of _KINDS) and, if there is one, `defaultValue`;
            the pipeline's `root.inputDefinitions.parameters`.

    Returns:
        What was given, by name; the pipeline's defaults are left to the server.

    Raises:
        InputError: a name that is not declared or comes twice, a value of another type, or nothing
            for a parameter that has no default.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{_FLAG} {text}", expected="NAME=VALUE, like epochs=5")
        check_one_of(_FLAG, name, declared)
        if name in values:
            raise InputError(f"{_FLAG} {name}", expected="it once", found="it twice")
        values[name] = _value(name, value, declared[name]["parameterType"])
    for name, about in declared.items():
        needed = "defaultValue" not in about and not about.get("isOptional")
        if needed and name not in values:
            raise InputError(f"{_FLAG} {name}", expected="a value, it has no default", found="none")
    return values


def _value(name: str, text: str, kind: str) -> Any:
    expected, types = _KINDS[kind]
    try:
        value = text if kind == "STRING" else json.loads(text, parse_constant=str)
    except ValueError:
        value = None
    if type(value) not in types:
        raise InputError(f"{_FLAG} {name}", expected=expected, found=f"'{text}'")
    return value
