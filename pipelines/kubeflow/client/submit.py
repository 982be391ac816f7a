"""One run of a compiled pipeline."""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import kfp_server_api as api

from pipelines.kubeflow.client.resources import Package, Uploaded, ensure_experiment, ensure_version
from pipelines.kubeflow.client.server import Server


@dataclass(frozen=True)
class Order:
    """How a run is to be made; runs of schedules too.

    Attributes:
        experiment: that it belongs to; empty: one with the pipeline's name.
        parameters: by name, those that differ from the pipeline's defaults.
        pipeline_root: URL below which artifacts go; empty: the pipeline's or the installation's.
        service_account: of the pods; empty: the installation's.
    """

    experiment: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    pipeline_root: str = ""
    service_account: str = ""

    def runtime(self) -> api.V2beta1RuntimeConfig:
        """What KFP calls so. Whether steps are cached stays as compiled."""
        return api.V2beta1RuntimeConfig(
            parameters=self.parameters, pipeline_root=self.pipeline_root or None
        )


@dataclass(frozen=True)
class Submitted:
    """A run that was started.

    Attributes:
        run_id: KFP's.
        name: as shown.
        uploaded: the version that runs.
    """

    run_id: str
    name: str
    uploaded: Uploaded


def reference(uploaded: Uploaded) -> api.V2beta1PipelineVersionReference:
    """What a run or a schedule names its version with."""
    return api.V2beta1PipelineVersionReference(
        pipeline_id=uploaded.version.pipeline_id,
        pipeline_version_id=uploaded.version.pipeline_version_id,
    )


def submit(server: Server, package: Package, order: Order) -> Submitted:
    """Starts a run, with all that it needs and that is not there yet.

    Raises:
        InputError: something of it is refused.
        FailedError: the server fails.
    """
    uploaded = ensure_version(server, package)
    experiment_id = ensure_experiment(server, order.experiment or package.name)
    # A name of its own, by which the run is found if the answer gets lost.
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{package.name}-{now}-{secrets.token_hex(2)}"

    def find() -> api.V2beta1Run | None:
        found = server.all(
            server.runs.run_service_list_runs,
            "runs",
            experiment_id=experiment_id,
            filter=server.filter("display_name", "EQUALS", name),
        )
        return next(found, None)

    run = server.make(
        find,
        server.runs.run_service_create_run,
        run=api.V2beta1Run(
            display_name=name,
            experiment_id=experiment_id,
            pipeline_version_reference=reference(uploaded),
            runtime_config=order.runtime(),
            service_account=order.service_account or None,
        ),
    )
    return Submitted(str(run.run_id), name, uploaded)
