"""Runs a pipeline on this machine, with TFX's launcher and a cache that can be trusted."""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from absl import logging
from rich.console import Console
from tfx.dsl.compiler import compiler
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from pipelines.pipeline import Places, build_pipeline
from pipelines.records import StepRecord, fail_abandoned_executions, read_step
from pipelines.sections import PipelineConfig
from pipelines.source_digest import source_digest
from pipelines.step_sources import step_sources, training_sources
from pipelines.steps import STEPS
from pipelines.workdir import WorkDir
from serving.errors import FailedError, InputError

SOURCE_FLAG = "--pawlens_source"
STATE_SECONDS = 30 * 24 * 3600.0  # without use, after which a half-done training is removed


class StepError(FailedError):
    """A step failed for a reason that is not the user's input."""

    def __init__(self, step: str, cause: BaseException):
        text = " ".join(str(cause).split())[:400] or type(cause).__name__
        super().__init__(f"step {step} failed: {type(cause).__name__}: {text}")


def run_steps(
    pipeline: Pipeline, metadata_path: Path, sources: Mapping[str, Sequence[str]], console: Console
) -> dict[str, StepRecord]:
    """Runs every step in order, as TFX's LocalDagRunner, but timed and with its errors named.

    Args:
        pipeline: what runs; the cache key of its steps will hold their code.
        metadata_path: the sqlite file.
        sources: by step, modules besides its own whose code it runs.
        console: gets a line a step.

    Returns:
        What each step left.

    Raises:
        InputError: a step refused the user's input.
        StepError: a step failed.
    """
    ir = _compiled(pipeline, sources)
    run_id = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns()}"
    runtime_parameter_utils.substitute_runtime_parameter(ir, {"pipeline-run-id": run_id})
    connection = metadata.sqlite_metadata_connection_config(str(metadata_path))
    deployment = runner_utils.extract_local_deployment_config(ir)
    steps: dict[str, StepRecord] = {}
    for node in ir.nodes:
        step = node.pipeline_node.node_info.id
        # On a terminal the line is overwritten by the step's result; in a log it stays.
        talkative = step in STEPS and STEPS[step].talkative
        overwritten = console.is_terminal and not talkative
        console.print(f"  {step} ...", end="\r" if overwritten else "\n")
        start = time.monotonic()
        try:
            launcher.Launcher(
                pipeline_node=node.pipeline_node,
                mlmd_connection=metadata.Metadata(connection),
                pipeline_info=ir.pipeline_info,
                pipeline_runtime_spec=ir.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, step),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, step),
            ).launch()
            seconds = time.monotonic() - start
            record = read_step(metadata_path, ir.pipeline_info.id, step, seconds)
        except InputError:
            raise
        except Exception as error:
            raise StepError(step, error) from error
        steps[step] = record
        took = "cached" if record.cached else f"{seconds:6.1f} s"
        console.print(f"  {step:<18} {took}")
    return steps


def _compiled(pipeline: Pipeline, sources: Mapping[str, Sequence[str]]) -> pipeline_pb2.Pipeline:
    """What TFX's launcher takes, with a cache that can be trusted."""
    for node in pipeline.components:
        modules = [node.executor_spec.executor_class.__module__, type(node).__module__]
        digest = source_digest(modules, sources.get(node.id, ()))
        # TFX's cache key covers the executor's specification, its flags included.
        node.executor_spec.add_extra_flags([f"{SOURCE_FLAG}={digest}"])
    ir = compiler.Compiler().compile(pipeline)
    for node in ir.nodes:
        options = node.pipeline_node.execution_options
        step = STEPS.get(node.pipeline_node.node_info.id)
        if step and not step.cached:
            options.caching_options.enable_cache = False
    return ir


def run_pipeline(
    config: PipelineConfig,
    data: Path,
    workdir: WorkDir,
    console: Console,
    *,
    rehash: bool,
    build: Callable[[PipelineConfig, Places], Pipeline] = build_pipeline,
) -> dict[str, StepRecord]:
    """Runs `config` and returns what each step left.

    The caller holds the work directory's lock.

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
        state=str(state_folder(workdir, config)),
        rehash=rehash,
    )
    return run_steps(build(config, places), workdir.metadata, step_sources(config), console)


def state_folder(workdir: WorkDir, config: PipelineConfig) -> Path:
    """Where trainings are kept to go on from, under the code that they were started with.

    Folders that no run has used for `STATE_SECONDS` are removed.
    """
    state = workdir.state / source_digest([], training_sources(config))[:16]
    state.mkdir(parents=True, exist_ok=True)
    os.utime(state)
    for folder in workdir.state.iterdir():
        if time.time() - folder.stat().st_mtime > STATE_SECONDS:
            shutil.rmtree(folder)
    return state


def serving_root(config: PipelineConfig, workdir: WorkDir) -> str:
    """The folder or URL above the model's own."""
    configured = config.pusher.serving_root
    if "://" in configured:
        return configured
    return str(Path(configured).expanduser().resolve() if configured else workdir.serving)
