"""The model card: what a model is, from what it was made, how good it is, and what it is for.

After Mitchell et al., "Model Cards for Model Reporting" (2019). It travels with the model, as
text for people and as JSON for programs; both hold the same.
"""

import json
from typing import Any

from components import models
from components.artifacts import OVERALL
from components.interpreter.report import Facts, environment, lowest
from components.tasks import Task

TEMPLATE = "model_card.md"

DATA = ("found", "accepted", "quarantined", "missing", "splits", "classes", "notes")
MEASURED_ON = "Its figures hold for data like the test split, which came with the training's."
AS_TRAINED = "The probabilities are the network's own; they were not calibrated."
CALIBRATED = "The probabilities were calibrated on the eval split, by a temperature of {:.3g}."


def make_card(
    *, pipeline_name: str, task: Task, facts: Facts, told: dict[str, Any], recipe: dict[str, Any]
) -> dict[str, Any]:
    """Collects the card's content, plain values, all of which `json` takes.

    Args:
        pipeline_name, task, facts: of the run.
        told: what the task's report knows: `purpose`, `output`, `intended_use` and `limits`.
        recipe: `config`, the sections that made the model, `code_sha256`, a digest of the code
            that trained it, and `versions` by name; each may be missing.
    """
    history, figures = facts.history, facts.figures["figures"]
    config, temperature = recipe.get("config", {}), history["temperature"]
    trainer = config.get("trainer", {})
    side = trainer.get("image_size")
    explained = trainer.get("export", {}).get("grad_cam_layer", "")
    if side and task.has_images and not explained:
        explained = models.spec(history["model"]).grad_cam_layer
    return {
        "name": pipeline_name,
        "task": task.name,
        "purpose": told["purpose"],
        "unit": task.unit,
        "model": {
            "architecture": history["model"],
            "parameters": history["parameters"],
            "input": f"encoded images, stretched to {side} x {side} pixels" if side else "",
            "output": told["output"],
            "grad_cam_layer": explained,
            "finished": history.get("finished", ""),
            "epochs": sum(record["epoch"] > 0 for record in history["epochs"]),
            "best_epoch": history["best_epoch"],
            "monitor": history["monitor"],
            "seed": history["seed"],
            "code_sha256": recipe.get("code_sha256", ""),
            "hyperparameters": history.get("hyperparameters", {}),
            "test_time_flip": history["test_time_flip"],
        },
        "intended_use": told["intended_use"],
        "limits": [
            *told["limits"],
            CALIBRATED.format(temperature) if temperature else AS_TRAINED,
            MEASURED_ON,
        ],
        "data": {
            **{key: facts.ingest[key] for key in DATA},
            "refused": sum(facts.ingest["quarantined"].values()),
        },
        "evaluation": {
            "blessed": facts.figures["blessed"],
            "baseline": facts.figures["baseline"],
            "metrics": [figure for figure in figures if figure["slice"] == OVERALL],
            "slices": [figure for figure in figures if figure["slice"] != OVERALL],
            "checks": facts.figures["checks"],
        },
        "versions": recipe.get("versions", {}) | history.get("made_with", {}),
        "config": config,
    }


def render_text(card: dict[str, Any]) -> bytes:
    """The card in Markdown, UTF-8."""
    templates = environment(autoescape=False)
    templates.policies["json.dumps_kwargs"] = {"sort_keys": False}
    text = templates.get_template(TEMPLATE).render(card=card, overall=OVERALL, lowest=lowest)
    return text.encode("utf-8", "replace")


def render_data(card: dict[str, Any]) -> bytes:
    """The card in JSON, UTF-8."""
    return (json.dumps(card, indent=1) + "\n").encode()
