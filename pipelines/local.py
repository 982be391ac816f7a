"""Runs a pipeline on this machine: TFX's LocalDagRunner, with a cache that can be trusted."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import logging
from tfx.dsl.compiler import compiler
from tfx.orchestration import metadata
from tfx.orchestration.local import local_dag_runner, runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipelines.config import PipelineConfig
from pipelines.pipeline import EXTRA_SOURCES, NEVER_CACHED, Places, build_pipeline
from pipelines.records import connection_config, fail_abandoned_executions, read_step
from pipelines.source_digest import source_digest
from pipelines.workdir import WorkDir
from serving.errors import FailedError, InputError

SOURCE_FLAG = "--pawlens_source"


class StepError(FailedError):
    """A step failed for a reason that is not the user's input.

    Attributes:
        step: its name.
    """

    def __init__(self, step: str, cause: BaseException):
        text = " ".join(str(cause).split())[:400] or type(cause).__name__
        super().__init__(f"step {step} failed: {type(cause).__name__}: {text}")
        self.step = step


@dataclass(frozen=True)
class Progress:
    """What a run tells while it goes.

    Attributes:
        started: called with a step's name.
        finished: called with a step's name, seconds, and whether it was cached.
    """

    started: Callable[[str], None]
    finished: Callable[[str, float, bool], None]


class LocalRunner(local_dag_runner.LocalDagRunner):
    """LocalDagRunner whose cache key holds the code, and which tells how far it is.

    Args:
        progress: told of each step.
        metadata_path: the sqlite file.
    """

    def __init__(self, progress: Progress, metadata_path: Path):
        super().__init__()
        self._progress = progress
        self._metadata_path = metadata_path
        self.steps: dict[str, dict[str, Any]] = {}

    def run(self, pipeline: Pipeline, **kwargs: Any) -> None:
        """Compiles and runs."""
        for node in pipeline.components:
            modules = [node.executor_spec.executor_class.__module__, type(node).__module__]
            # TFX's cache key covers the executor's specification, its flags included.
            node.executor_spec.add_extra_flags([f"{SOURCE_FLAG}={_step_digest(node.id, modules)}"])
        ir = compiler.Compiler().compile(pipeline)
        for node in ir.nodes:
            options = node.pipeline_node.execution_options
            if node.pipeline_node.node_info.id in NEVER_CACHED:
                options.caching_options.enable_cache = False
        self.run_with_ir(ir, **kwargs)

    def run_with_ir(
        self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None
    ) -> None:
        """Runs every step in order; as in the base class, but timed and with its errors named."""
        del run_options
        run_id = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns()}"
        runtime_parameter_utils.substitute_runtime_parameter(pipeline, {"pipeline-run-id": run_id})
        deployment = runner_utils.extract_local_deployment_config(pipeline)
        for node in pipeline.nodes:
            step = node.pipeline_node.node_info.id
            self._progress.started(step)
            start = time.monotonic()
            try:
                launcher.Launcher(
                    pipeline_node=node.pipeline_node,
                    mlmd_connection=metadata.Metadata(connection_config(self._metadata_path)),
                    pipeline_info=pipeline.pipeline_info,
                    pipeline_runtime_spec=pipeline.runtime_spec,
                    executor_spec=runner_utils.extract_executor_spec(deployment, step),
                    custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, step),
                ).launch()
            except InputError:
                raise
            except Exception as error:
                raise StepError(step, error) from error
            seconds = time.monotonic() - start
            record = read_step(self._metadata_path, pipeline.pipeline_info.id, step)
            if record is None:
                raise StepError(step, RuntimeError("it left no result in the metadata"))
            self.steps[step] = {"seconds": round(seconds, 3), "cached": record.cached}
            self._progress.finished(step, seconds, record.cached)


def run_pipeline(
    config: PipelineConfig,
    data: Path,
    workdir: WorkDir,
    progress: Progress,
    *,
    rehash: bool,
    build: Callable[[PipelineConfig, Places], Pipeline] = build_pipeline,
) -> dict[str, dict[str, Any]]:
    """Runs `config` and returns its steps, as `summary.json` lists them.

    The caller holds the work directory's lock.

    Args:
        config: of the pipeline.
        data: folder with the data.
        workdir: where it runs.
        progress: told of each step.
        rehash: fingerprint the data by content.
        build: which of its steps.

    Raises:
        InputError: a step refused the user's input.
        StepError: a step failed.
    """
    abandoned = fail_abandoned_executions(workdir.metadata)
    if abandoned:
        logging.warning("marked %d executions of a killed run as failed", abandoned)
    places = Places(
        data=data,
        pipeline_root=str(workdir.artifacts),
        serving_root=serving_root(config, workdir),
        state=str(state_folder(workdir)),
        rehash=rehash,
        metadata=connection_config(workdir.metadata),
    )
    runner = LocalRunner(progress, workdir.metadata)
    runner.run(build(config, places))
    return runner.steps


def state_folder(workdir: WorkDir) -> Path:
    """Where trainings are kept to go on from; what other code left there is removed."""
    state = workdir.state / _step_digest("trainer", [])[:16]
    _remove_siblings(state)
    return state


def serving_root(config: PipelineConfig, workdir: WorkDir) -> str:
    """The folder or URL above the model's own."""
    configured = config.pusher.serving_root
    if "://" in configured:
        return configured
    return str(Path(configured).expanduser().resolve() if configured else workdir.serving)


def _step_digest(step: str, modules: list[str]) -> str:
    """Digest of the code that a step runs."""
    return source_digest([*modules, *EXTRA_SOURCES.get(step, ())])


def _remove_siblings(state: Path) -> None:
    """A killed training goes on only under the code that it was started with."""
    for folder in state.parent.glob("*"):
        if folder != state:
            shutil.rmtree(folder)
