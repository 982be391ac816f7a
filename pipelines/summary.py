"""What a run did, as `summary.json`."""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from components.artifacts import COMPARISON, FIGURES, HISTORY, INGEST_SUMMARY, PUSH, REPORT_PAGE
from components.interpreter.ui import overall_metrics
from pipelines.config import PipelineConfig
from pipelines.records import StepRecord
from pipelines.source_digest import source_digest
from pipelines.workdir import WorkDir
from serving.stores.files import write_whole

CODE = ("pipelines.local", "components.trainer.run")  # between them they reach every step


def summarize(
    config: PipelineConfig, workdir: WorkDir, steps: dict[str, StepRecord], seconds: float
) -> dict[str, Any]:
    """Collects what the steps left in their artifacts; writes summary and report.

    Args:
        config: of the run.
        workdir: where it ran.
        steps: by name, what each left.
        seconds: of the whole run.

    Returns:
        The content of `summary.json`: config, seconds, steps, data (see `artifacts.INGEST_SUMMARY`;
        its `classes` in the order of the model's outputs), metrics by split, blessed,
        push (its status: `pushed`, `already served`, ...), pushed (null unless this run pushed),
        served (where the model is served from now, or null), rolled_back (why the pushed version
        did not stay, or null), reasons (why nothing was pushed), made_with (versions, device and
        precision of the training, seed, SHA-256 of configuration and of code), converted (null, or
        the folder of the formats asked for and how they compare), report.
    """
    evaluation = steps["evaluator"].json("evaluation", FIGURES)
    push = steps["pusher"].json("pushed_model", PUSH)
    page = Path(steps["interpreter"].outputs["report"], REPORT_PAGE)
    write_whole(workdir.report, page.read_bytes())
    version: dict[str, Any] = {key: push[key] for key in ("name", "version", "path") if key in push}
    summary = {
        "config": config.name,
        "seconds": round(seconds, 3),
        "steps": {
            name: {"seconds": round(one.seconds, 3), "cached": one.cached}
            for name, one in steps.items()
        },
        "data": steps["example_gen"].json("quarantine", INGEST_SUMMARY),
        "metrics": {"test": overall_metrics(evaluation["figures"])},
        "blessed": evaluation["blessed"],
        "push": push["status"],
        "pushed": version if push["status"] == "pushed" else None,
        "served": _served(push, version),
        "rolled_back": push["reason"] if push["status"] == "rolled back" else None,
        "reasons": _reasons(steps, evaluation, push),
        "made_with": _made_with(config, steps["trainer"].json("model_run", HISTORY)),
        "converted": None,
        "report": str(workdir.report),
    }
    if config.converter:
        place = {"path": steps["converter"].outputs["conversions"]}
        summary["converted"] = place | steps["converter"].json("conversions", COMPARISON)
    write_whole(workdir.summary, (json.dumps(summary, indent=2) + "\n").encode())
    return summary


def _made_with(config: PipelineConfig, training: dict[str, Any]) -> dict[str, Any]:
    """What it takes to do the run again."""
    return {
        "pawlens": metadata.version("pawlens"),
        "tfx": metadata.version("tfx"),
        **training["made_with"],
        "seed": training["seed"],
        "config_sha256": hashlib.sha256(config.model_dump_json().encode()).hexdigest(),
        "code_sha256": source_digest(CODE),
    }


def _served(push: dict[str, Any], version: dict[str, Any]) -> dict[str, Any] | None:
    """The version that the model's name stands for now."""
    if push["status"] in ("rolled back", "classes changed"):
        return push["served"] and {"name": push["name"]} | push["served"]
    return version if push["status"] in ("pushed", "already served") else None


def _reasons(
    steps: dict[str, StepRecord], evaluation: dict[str, Any], push: dict[str, Any]
) -> list[str]:
    """Why nothing was pushed, or what to know about the comparison."""
    reasons = []
    if push["status"] == "not blessed":
        reasons += [check["message"] for check in evaluation["checks"] if not check["ok"]]
        refusal = Path(steps["infra_validator"].outputs["blessing"], "reason.txt")
        if refusal.exists():
            reasons.append(f"in a server: {refusal.read_text('utf-8').strip()}")
    if push["status"] == "already served":
        reasons.append(f"version {push['version']} has the same content: not pushed again")
    if push["status"] == "set aside":
        reasons.append(
            f"version {push['version']} has the same content and was rolled back: not pushed"
            f" again; 'pawlens rollback {push['name']} {push['version']}' serves it"
        )
    if push.get("reason"):
        reasons.append(push["reason"])
    if evaluation["baseline"] and evaluation["baseline"]["warning"]:
        reasons.append(f"warning: {evaluation['baseline']['warning']}")
    return reasons
