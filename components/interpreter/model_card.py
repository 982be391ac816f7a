"""The model card: what a model is, from what it was made, how good it is, and what it is for.

After Mitchell et al., "Model Cards for Model Reporting" (2019). It travels with the model, as
text for people and as JSON for programs; both hold the same.
"""

import json
from pathlib import Path
from typing import Any

import jinja2

from components import features, models
from components.interpreter.readers import Facts
from components.interpreter.report import OVERALL, format_number

TEMPLATE = "model_card.md"

PURPOSE = {
    "classification": "Tells whether a picture shows a cat or a dog, and where it looked.",
    "segmentation": "Marks the pixels of a pet, of what is behind it, and of the line between.",
    "points": "Tells on which side of a line a point lies: a trial of the system, not of a model.",
}
OUTPUT = {
    "classification": f"a probability for each of {', '.join(features.CLASS_NAMES)}",
    "segmentation": f"for each pixel one of {', '.join(features.MASK_CLASS_NAMES)}",
    "points": f"a score; above {features.SCORE_THRESHOLD}: {features.POINT_CLASS_NAMES[1]}",
}
INTENDED_USE = {
    "classification": [
        "Photographs with one cat or one dog as their main subject, in colour, upright.",
        "Sorting and searching pictures, where a wrong answer costs little.",
    ],
    "segmentation": [
        "Photographs with one cat or dog as their main subject, in colour, upright.",
        "Cutting pets out of pictures and measuring how much of a picture they fill.",
    ],
    "points": ["Seconds-long trials of a machine or a cluster with the whole pipeline."],
}
LIMITS = {
    "classification": [
        "It knows no third answer: a picture of anything else is called a cat or a dog as well,"
        " often with a high probability.",
        "The probabilities are the network's own; they were not calibrated.",
        "The heatmap shows what speaks for a class inside the network; it is no proof of a reason.",
        "Pictures are stretched to a square, and orientation tags are not read.",
    ],
    "segmentation": [
        "Anything that is no cat or dog may be marked as foreground.",
        "Masks have the model's own size; thin parts, such as whiskers, are lost in it.",
        "Pictures are stretched to a square, and orientation tags are not read.",
    ],
    "points": ["It draws one straight line and knows nothing of points far from the training's."],
}
MEASURED_ON = "Its figures hold for data like the test split, which came with the training's."


def make_card(
    *, pipeline_name: str, problem: str, facts: Facts, recipe: dict[str, Any]
) -> dict[str, Any]:
    """Collects the card's content.

    Args:
        pipeline_name: the title.
        problem: `classification`, `segmentation` or `points`.
        facts: what earlier steps handed over.
        recipe: `config`, the sections that made the model, `code_sha256`, a digest of the code
            that trained it, and `versions` by name; each may be missing.

    Returns:
        Plain values, all of which `json` takes.
    """
    history, figures = facts.history, facts.figures["figures"]
    config = recipe.get("config", {})
    trainer = config.get("trainer", {})
    side = trainer.get("image_size")
    explained = trainer.get("export", {}).get("grad_cam_layer", "")
    if side and not explained:
        explained = models.spec(history["model"]).grad_cam_layer
    return {
        "name": pipeline_name,
        "problem": problem,
        "purpose": PURPOSE[problem],
        "unit": "points" if problem == "points" else "pictures",
        "model": {
            "architecture": history["model"],
            "parameters": history["parameters"],
            "input": f"encoded pictures, stretched to {side} x {side} pixels" if side else "",
            "output": OUTPUT[problem],
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
        "intended_use": INTENDED_USE[problem],
        "limits": [*LIMITS[problem], MEASURED_ON],
        "data": {
            **{key: facts.ingest[key] for key in ("found", "accepted", "quarantined", "splits")},
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
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # Markdown, read as text
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = format_number
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    text = environment.get_template(TEMPLATE).render(card=card, figures=figure_table)
    return text.encode("utf-8", "replace")


def render_data(card: dict[str, Any]) -> bytes:
    """The card in JSON, UTF-8."""
    return (json.dumps(card, indent=1) + "\n").encode()


def figure_table(figures: list[dict[str, Any]], title: str) -> str:
    """A Markdown table of entries of `artifacts.FIGURES`, with their intervals.

    Args:
        figures: the entries.
        title: of the first column.
    """
    lines = [f"| {title} | value | 95% interval | served now | examples |"]
    lines.append("| --- | ---: | --- | ---: | ---: |")
    for figure in figures:
        name = figure["metric"] + (f" of {figure['class']}" if figure["class"] else "")
        if figure["slice"] != OVERALL:
            name = f"`{figure['slice']}`: {name}"
        bounds = [figure["lower"], figure["upper"]]
        interval = "" if None in bounds else " to ".join(map(format_number, bounds))
        cells = [format_number(figure[key]) for key in ("value", "baseline", "examples")]
        lines.append(f"| {name} | {cells[0]} | {interval} | {cells[1]} | {cells[2]} |")
    return "\n".join(lines) + "\n"
