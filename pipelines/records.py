"""What TFX's metadata says about a run, and what a killed one left wrong in it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.orchestration.metadata import sqlite_metadata_connection_config

Execution = mlmd.Execution
NODE_CONTEXT = "node"


@dataclass(frozen=True)
class StepRecord:
    """The last execution of a step.

    Attributes:
        cached: whether an earlier execution's result was taken.
        outputs: output key -> URI of its artifact.
        seconds: that this run spent on it.
    """

    cached: bool
    outputs: dict[str, str]
    seconds: float

    def json(self, key: str, name: str) -> dict[str, Any]:
        """What a file in an output's folder holds."""
        content: dict[str, Any] = json.loads(Path(self.outputs[key], name).read_text("utf-8"))
        return content


def open_store(path: Path) -> metadata_store.MetadataStore:
    """The metadata store in a sqlite file; its connection closes when it is collected."""
    return metadata_store.MetadataStore(sqlite_metadata_connection_config(str(path)))


def fail_abandoned_executions(path: Path) -> int:
    """Marks executions as failed that a killed run left running; returns how many.

    Only to be called by the process that holds the work directory.
    """
    if not path.exists():
        return 0
    store = open_store(path)
    executions = store.get_executions()
    abandoned = [one for one in executions if one.last_known_state == Execution.RUNNING]
    for execution in abandoned:
        execution.last_known_state = Execution.FAILED
    if abandoned:
        store.put_executions(abandoned)
    return len(abandoned)


def read_step(path: Path, pipeline: str, node: str, seconds: float) -> StepRecord:
    """The last execution of a node that has run to its end, which took so long."""
    store = open_store(path)
    context = store.get_context_by_type_and_name(NODE_CONTEXT, f"{pipeline}.{node}")
    executions = store.get_executions_by_context(context.id) if context else []
    ends = (Execution.COMPLETE, Execution.CACHED)
    done = [one for one in executions if one.last_known_state in ends]
    if not done:
        raise RuntimeError(f"step {node} left no result in the metadata")
    last = max(done, key=lambda execution: execution.id)
    keys = {
        event.artifact_id: event.path.steps[0].key
        for event in store.get_events_by_execution_ids([last.id])
        if event.type == mlmd.Event.OUTPUT
    }
    uris = {keys[one.id]: one.uri for one in store.get_artifacts_by_id(list(keys))}
    return StepRecord(last.last_known_state == Execution.CACHED, uris, seconds)
