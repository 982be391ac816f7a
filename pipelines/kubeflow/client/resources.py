"""What a pipeline needs before it can run: compiled, and its version and an experiment on a server.

Here is the command `pawlens kubeflow compile`, too.
"""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kfp_server_api as api
from rich.console import Console

from pipelines.kubeflow.client.options import Access, Source, Wish
from pipelines.kubeflow.client.server import Server
from pipelines.logs import libraries_silent, plain_terminal
from serving.errors import FailedError, InputError, check_one_of
from serving.stores.files import write_whole

if TYPE_CHECKING:
    from pipelines.config import PipelineConfig
    from pipelines.kubeflow.compiler import Compiled

DIGEST_LENGTH = 12
_FLAG = "--param"


def compile_config(config: "PipelineConfig", console: Console) -> "Compiled":
    """Compiles; what TFX and TensorFlow have to say meanwhile is dropped.

    Raises:
        InputError: the configuration does not do for a cluster.
        FailedError: TFX cannot be imported.
    """
    with console.status("compiling"), libraries_silent():
        try:
            from pipelines.kubeflow.compiler import compile_pipeline
        except ImportError as error:
            raise FailedError(f"cannot import {error.name}: {error}") from error
        return compile_pipeline(config)


def run_compile(source: Source, output: Path) -> None:
    """Writes the compiled pipeline; an older file stays whole until the new one is complete."""
    if not output.parent.is_dir():
        raise InputError(f"--output {output}", expected="an existing folder", found="none")
    console = plain_terminal()
    package = compile_config(source.load(), console)
    write_whole(output, package.to_yaml().encode())
    console.print(f"{package.name}: {output}")


def prepare(
    source: Source, access: Access, wish: Wish, console: Console
) -> tuple[Server, "Compiled", dict[str, Any]]:
    """Compiles, and sees that all is there that a run or a schedule of a pipeline needs.

    Returns:
        The server, the pipeline, and what a run and a schedule of it have in common, as arguments
        of their models. Whether steps are cached stays as compiled.

    Raises:
        InputError: something of it is refused.
        FailedError: the server fails.
    """
    config = source.load()
    server = Server(access).connect()
    package = compile_config(config, console)
    parameters = read_parameters(wish.parameters or [], package.parameters)
    version, known = _ensure_version(server, package)
    shown = version.display_name or version.name
    console.print(f"pipeline  {package.name}, version {shown} ({known})")
    name = wish.experiment or package.name
    wanted = api.V2beta1Experiment(display_name=name, **server.scope)
    # The server passes over the root that a pipeline names itself.
    root = wish.pipeline_root or package.spec.get("defaultPipelineRoot")
    return (
        server,
        package,
        {
            "experiment_id": str(_ensure(server, "experiment", name, wanted).experiment_id),
            "pipeline_version_reference": api.V2beta1PipelineVersionReference(
                pipeline_id=version.pipeline_id, pipeline_version_id=version.pipeline_version_id
            ),
            "runtime_config": api.V2beta1RuntimeConfig(parameters=parameters, pipeline_root=root),
            "service_account": wish.service_account or config.kubeflow.service_account or None,
        },
    )


def _ensure_version(server: Server, package: "Compiled") -> tuple[api.V2beta1PipelineVersion, str]:
    """The version that has just this content, and a word for whether it was there.

    A version's name is the time and the first digits of the content's SHA-256, so the same content
    is found again. Only whole versions are listed.
    """
    content, told = package.to_yaml(), "as uploaded before"
    digest = hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
    wanted = api.V2beta1Pipeline(name=package.name, display_name=package.name, **server.scope)
    pipeline_id = str(_ensure(server, "pipeline", package.name, wanted).pipeline_id)

    def find() -> api.V2beta1PipelineVersion | None:
        method = "pipeline_service_list_pipeline_versions"
        return server.find(method, f"-{digest}", "IS_SUBSTRING", pipeline_id=pipeline_id)

    def send() -> api.V2beta1PipelineVersion:
        nonlocal told
        told = "new"
        # Another name each time: that of a version that failed half-way stays taken.
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{digest}"
        # The generated client takes a path.
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            return server.once(
                "upload_pipeline_version", uploadfile=file.name, name=name, pipelineid=pipeline_id
            )

    return server.make(find, send), told


def _ensure(server: Server, kind: str, name: str, wanted: Any) -> Any:
    """What has this name, which is made as wanted if it is missing."""
    return server.make(
        lambda: server.find(f"{kind}_service_list_{kind}s", name, **server.scope),
        lambda: server.once(f"{kind}_service_create_{kind}", **{kind: wanted}),
    )


def read_parameters(
    texts: Iterable[str], declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Reads `NAME=VALUE` for the parameters of a pipeline, in the types that it declares.

    Args:
        texts: as on the command line.
        declared: by name, `parameterType`, a text or a whole number as `ir` writes them; the
            pipeline's `root.inputDefinitions.parameters`.

    Returns:
        What was given, by name; the pipeline's defaults are left to the server.

    Raises:
        InputError: a name that is not declared or comes twice, or a value of another type.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{_FLAG} {text}", expected="NAME=VALUE, like epochs=5")
        check_one_of(_FLAG, name, declared)
        if name in values:
            raise InputError(f"{_FLAG} {name}", expected="it once", found="it twice")
        values[name] = value
        if declared[name]["parameterType"] == "NUMBER_INTEGER":
            if not re.fullmatch(r"[+-]?[0-9]+", value):
                raise InputError(f"{_FLAG} {name}", expected="a whole number", found=f"'{value}'")
            values[name] = int(value)
    return values
