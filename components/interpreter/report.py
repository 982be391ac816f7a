"""Reads what earlier steps handed over, and renders it and what was chosen and drawn as a page."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from tfx.utils import io_utils

from components.artifacts import CURVES, FIGURES, HISTORY, INGEST_SUMMARY, OVERALL, QUARANTINED
from components.explanations import GRADES, PREFIX
from components.reporting import drawing
from components.reporting.cards import Group, Predictions
from components.reporting.views import Views
from components.tasks import Task

TEMPLATE = "report.html"
# Refused files listed on the page for each reason; the counts are always complete.
LISTED_PER_REASON = 20
SHOWN = 50  # rows of a table by class or slice, and names of classes
TURNED = 6  # more classes than these have their names upright above the confusion's columns
# What tells which classes and slices a model does badly on; the first of them that was measured.
RANKED_BY = ("f1", "iou", "accuracy", "mean_iou")


@dataclass(frozen=True)
class Facts:
    """What the earlier steps know, as read from their artifacts."""

    ingest: dict[str, Any]  # the counts of `artifacts.INGEST_SUMMARY`
    refused: dict[str, list[dict[str, Any]]]  # by reason, the first lines of QUARANTINED
    history: dict[str, Any]
    curves: bytes  # the PNG
    figures: dict[str, Any]


def read_facts(quarantine_uri: str, model_run_uri: str, evaluation_uri: str) -> Facts:
    """Reads the files that other steps wrote for the report.

    Raises:
        FileNotFoundError: one is not there.
    """
    refused: dict[str, list[dict[str, Any]]] = {}
    for line in _read(quarantine_uri, QUARANTINED).splitlines():
        entry = json.loads(line)
        listed = refused.setdefault(entry["reason"], [])
        if len(listed) < LISTED_PER_REASON:
            listed.append(entry)
    return Facts(
        ingest=json.loads(_read(quarantine_uri, INGEST_SUMMARY)),
        refused=refused,
        history=json.loads(_read(model_run_uri, HISTORY)),
        curves=_read(model_run_uri, CURVES),
        figures=json.loads(_read(evaluation_uri, FIGURES)),
    )


def _read(uri: str, name: str) -> Any:
    return io_utils.read_bytes_file(f"{uri}/{name}")


def render(
    *,
    pipeline_name: str,
    task: Task,
    facts: Facts,
    examples: list[Group],
    predictions: Predictions,
    legend: list[tuple[str, str]],
    suspects: Group | None = None,
    views: Views | None = None,
    framed: bool = False,
) -> bytes:
    """Renders the page, whose title is the pipeline's name, of what the task's report gave.

    Args:
        views: what the model sees; None: it does not look at images.
        framed: for a frame without an address of its own (`srcdoc`), in which a link to a section
            would load the page around it: without such links.

    Returns:
        One self-contained HTML file in UTF-8. The same arguments give the same bytes.
    """
    figures = [f for f in facts.figures["figures"] if not f["metric"].startswith(PREFIX)]
    page = (
        environment(autoescape=True)
        .get_template(TEMPLATE)
        .render(
            {**vars(facts), **facts.figures},
            pipeline_name=pipeline_name,
            kind=task.name if ":" in task.name else task.name.replace("_", " ").capitalize(),
            task=task,
            framed=framed,
            listed=LISTED_PER_REASON,
            examples=examples,
            curves=drawing.curves(
                facts.curves,
                f"Loss and metrics of {facts.history['model']} by epoch, training and validation",
            ),
            turned=TURNED,
            shown=SHOWN,
            failed=[check for check in facts.figures["checks"] if not check["ok"]],
            headlines=[f for f in figures if f["slice"] == OVERALL and f["class"] is None],
            by_class=pivot([f for f in figures if f["slice"] == OVERALL and f["class"]], "class"),
            by_slice=pivot([f for f in figures if f["slice"] != OVERALL], "slice"),
            grades=grades_of(facts.figures["figures"]),
            predictions=predictions,
            tested=facts.ingest["splits"].get("test", 0),
            legend=legend,
            suspects=suspects,
            views=views,
        )
    )
    # File names that are not UTF-8 reach JSON as lone surrogates, which no encoding takes.
    return page.encode("utf-8", "replace")


def grades_of(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """What the section on graded explanations shows of entries of `artifacts.FIGURES`."""
    own = [
        figure | {"metric": figure["metric"].removeprefix(PREFIX)}
        for figure in figures
        if figure["metric"].startswith(PREFIX)
    ]
    judged = [figure for figure in own if PREFIX + figure["metric"] in GRADES]
    return {
        "overall": [figure for figure in own if figure["slice"] == OVERALL],
        "by_slice": pivot([figure for figure in judged if figure["slice"] != OVERALL], "slice"),
    }


def lowest(figures: list[dict[str, Any]], key: str) -> tuple[list[dict[str, Any]], str]:
    """Leaves out figures by `class` or `slice` where there are more than a reader takes in.

    Returns:
        The figures of all classes together, and of the `SHOWN` classes (or slices) with the lowest
        values, those first; and what was kept, in words: empty if everything was.
    """
    rows = [row for row in dict.fromkeys(figure[key] for figure in figures) if row is not None]
    if len(rows) <= SHOWN:
        return figures, ""
    measured = {figure["metric"] for figure in figures if figure[key] is not None}
    metric = next((name for name in RANKED_BY if name in measured), min(measured))
    values = {
        figure[key]: figure["value"]
        for figure in figures
        if figure["metric"] == metric and figure["value"] is not None
    }
    kept = sorted(rows, key=lambda row: values.get(row, math.inf))[:SHOWN]
    places = {row: place for place, row in enumerate([None, *kept])}
    found = [figure for figure in figures if figure[key] in places]
    found.sort(key=lambda figure: places[figure[key]])
    return found, f"the {SHOWN} lowest of {len(rows):,} by {metric}"


def pivot(figures: list[dict[str, Any]], row_key: str) -> dict[str, Any]:
    """Arranges figures as a table, a row for each `class` or `slice`.

    Returns:
        `{"title", "columns": [title], "rows": [{"name", "examples", "cells": [figure or None]}]}`,
        in the order in which rows and columns first occur; see `lowest` for which rows.
    """
    figures, kept = lowest(figures, row_key)
    columns: dict[str, None] = {}
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for figure in figures:
        column = figure["metric"]
        if row_key != "class" and figure["class"]:
            column += f" ({figure['class']})"
        columns[column] = None
        rows.setdefault(figure[row_key], {})[column] = figure
    return {
        "title": f"By {row_key}" + (f", {kept}" if kept else ""),
        "columns": list(columns),
        "rows": [
            {
                "name": name,
                "examples": max(figure["examples"] for figure in cells.values()),
                "cells": [cells.get(column) for column in columns],
            }
            for name, cells in rows.items()
        ],
    }


def format_number(value: float | None) -> str:
    """Three decimals where they tell something: 0.873, 12,345, 3.1e-05; None as a dash."""
    if value is None:
        return "\N{EN DASH}"
    if math.isnan(value):
        return "NaN"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "\N{MINUS SIGN}")
    if value and abs(value) < 0.001:
        text = f"{value:.1e}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.3f}"
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def format_change(value: float) -> str:
    """A difference with its sign: +0.012."""
    return f"+{format_number(value)}" if value > 0 else format_number(value)


def format_duration(seconds: float) -> str:
    """A time for reading: 4.2 s, 3 min 5 s, 49 min, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 3600:
        return f"{round(whole / 60)} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def environment(*, autoescape: bool) -> jinja2.Environment:
    """Of this folder's templates; what is no HTML is not escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        number=format_number,
        change=format_change,
        duration=format_duration,
        value=lambda value: value if isinstance(value, str) else format_number(value),
        # A browser may break a slice's name, such as `image/orientation=square`, at its joints.
        breakable=lambda text: Markup("<wbr>").join(re.split(r"(?<=[/=])", text)),
    )
    return made
