"""What a pipeline needs on a server before it can run: itself, its version, an experiment."""

import contextlib
import hashlib
import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import kfp_server_api as api

from pipelines.kubeflow.client.faults import ServerFault
from pipelines.kubeflow.client.server import Server
from serving.errors import FailedError, InputError

if TYPE_CHECKING:
    from pipelines.kubeflow.compiler import Compiled

DIGEST_LENGTH = 12
CONFLICT = 409


@dataclass(frozen=True)
class Uploaded:
    """A version of a pipeline on a server.

    Attributes:
        version: the version.
        new: whether this call uploaded it.
    """

    version: api.V2beta1PipelineVersion
    new: bool


def ensure_experiment(server: Server, name: str) -> str:
    """The id of an experiment, which is made if it is missing."""

    def find() -> api.V2beta1Experiment | None:
        method = server.experiments.experiment_service_list_experiments
        return next(server.named(method, "experiments", name, **server.scope()), None)

    experiment = find() or server.make(
        find,
        server.experiments.experiment_service_create_experiment,
        experiment=api.V2beta1Experiment(display_name=name, **server.scope()),
    )
    return str(experiment.experiment_id)


def ensure_version(server: Server, package: "Compiled") -> Uploaded:
    """The version that has just this content; uploaded if there is none.

    A version's name is the day and the first digits of the content's SHA-256, so the same content
    is found again. What a failed upload left behind is deleted, if this call made it.

    Raises:
        InputError: the server refuses the pipeline.
        FailedError: it fails.
    """
    content = package.to_yaml()
    digest = hashlib.sha256(content.encode()).hexdigest()[:DIGEST_LENGTH]
    pipeline_id = _find_pipeline(server, package.name)
    if pipeline_id is not None:
        found = _find_version(server, pipeline_id, digest)
        if found is not None:
            return Uploaded(found, new=False)
        return _upload(server, pipeline_id, content, digest)
    pipeline_id, made = _make_pipeline(server, package.name)
    try:
        return _upload(server, pipeline_id, content, digest)
    except BaseException:
        if made:
            with contextlib.suppress(FailedError, InputError):
                server.remove(
                    server.pipelines.pipeline_service_delete_pipeline, pipeline_id=pipeline_id
                )
        raise


def _find_pipeline(server: Server, name: str) -> str | None:
    method = server.pipelines.pipeline_service_list_pipelines
    found = server.named(method, "pipelines", name, **server.scope())
    return next((str(pipeline.pipeline_id) for pipeline in found), None)


def _make_pipeline(server: Server, name: str) -> tuple[str, bool]:
    """Its id, and whether it is certain that this call made it."""
    mark = _mark()

    def find() -> api.V2beta1Pipeline | None:
        pipeline_id = _find_pipeline(server, name)
        return pipeline_id and server.ask(
            server.pipelines.pipeline_service_get_pipeline, pipeline_id=pipeline_id
        )

    pipeline = server.make(
        find,
        server.pipelines.pipeline_service_create_pipeline,
        pipeline=api.V2beta1Pipeline(
            name=name, display_name=name, description=mark, **server.scope()
        ),
    )
    return str(pipeline.pipeline_id), pipeline.description == mark


def _mark() -> str:
    """A description that only this call has given."""
    return f"Uploaded by pawlens ({secrets.token_hex(8)})"


def _versions(server: Server, pipeline_id: str, part: str) -> list[api.V2beta1PipelineVersion]:
    """The versions with this text in their name, the newest first."""
    method = server.pipelines.pipeline_service_list_pipeline_versions
    more = {"pipeline_id": pipeline_id, "sort_by": "created_at desc"}
    return list(server.named(method, "pipeline_versions", part, "IS_SUBSTRING", **more))


def _find_version(
    server: Server, pipeline_id: str, digest: str
) -> api.V2beta1PipelineVersion | None:
    return next(iter(_versions(server, pipeline_id, f"-{digest}")), None)


def _upload(server: Server, pipeline_id: str, content: str, digest: str) -> Uploaded:
    mark = _mark()
    try:
        for attempt, left in enumerate(server.attempts()):
            # A version that failed half-way is in no list, but its name stays taken.
            form = "%Y%m%d" if attempt == 0 else "%Y%m%d-%H%M%S"
            name = f"{datetime.now(UTC).strftime(form)}-{digest}"
            try:
                return Uploaded(_send(server, pipeline_id, name, content, mark), new=True)
            except ServerFault as fault:
                if fault.perhaps_done:
                    _remove_marked(server, pipeline_id, digest, mark)
                    # Someone else may have uploaded the same meanwhile.
                    found = _find_version(server, pipeline_id, digest)
                    if found is not None:
                        return Uploaded(found, new=False)
                if not (fault.passing or fault.status == CONFLICT) or not left():
                    raise fault.error from fault
    except BaseException:
        with contextlib.suppress(FailedError, InputError):
            _remove_marked(server, pipeline_id, digest, mark)
        raise
    raise AssertionError("unreachable")


def _send(
    server: Server, pipeline_id: str, name: str, content: str, mark: str
) -> api.V2beta1PipelineVersion:
    # The generated client takes a path.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pipeline.yaml")
        file.write_text(content, encoding="utf-8")
        return server.once(
            server.uploads.upload_pipeline_version,
            uploadfile=str(file),
            name=name,
            pipelineid=pipeline_id,
            description=mark,
        )


def _remove_marked(server: Server, pipeline_id: str, digest: str, mark: str) -> None:
    """Deletes what the server kept of uploads of this call, and nothing else."""
    for version in _versions(server, pipeline_id, f"-{digest}"):
        if version.description == mark:
            server.remove(
                server.pipelines.pipeline_service_delete_pipeline_version,
                pipeline_id=pipeline_id,
                pipeline_version_id=version.pipeline_version_id,
            )
