"""What `pawlens init` and `pawlens data check` say of a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHOWN = 50  # classes


def describe(report: dict[str, Any]) -> str:
    """What `components.datasets.looking.look` found, as lines for a terminal."""
    return "\n".join(_lines(report))


def summary_line(root: Path, report: dict[str, Any]) -> str:
    """The same in a sentence."""
    names = list(report["classes"])
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    sizes = report["sizes"].get("width") and (
        f" of about {report['sizes']['width'][1]}x{report['sizes']['height'][1]} pixels"
    )
    count = f"{report['usable']:,} {_unit(report)}{sizes or ''}"
    return f"{root}: {count} of {len(names)} classes: {some}."


def _unit(report: dict[str, Any]) -> str:
    return "points" if report["task"] == "points" else "images"


def _lines(report: dict[str, Any]) -> Iterator[str]:
    unit = _unit(report)
    yield f"layout    {report['layout']}, for the task {report['task']}"
    yield f"found     {report['found']:,}, {report['usable']:,} {unit} can be used"
    for problem, count in report["problems"].items():
        yield f"          {count:,} not: {problem}"
    if report["missing"]:
        yield f"missing   {report['missing']:,} that a list names"
    if report["splits"]:
        yield "splits    " + ", ".join(f"{name} {n:,}" for name, n in report["splits"].items())
    sizes = report["sizes"]
    for side in ("width", "height"):
        if side in sizes:
            least, median, most = sizes[side]
            yield f"{side:9} {least} to {most} pixels, median {median}"
    if sizes.get("unreadable"):
        yield f"          {sizes['unreadable']} of {sizes['sampled']} opened are no images"
    yield from _classes(report)
    for note in report["notes"]:
        yield f"note      {note}"


def _classes(report: dict[str, Any]) -> Iterator[str]:
    classes, values = report["classes"], report["values"]
    yield f"classes   {len(classes)}" + (", by share of the pixels" if values else "")
    wide = max(map(len, classes))
    most = sorted(classes, key=classes.__getitem__, reverse=True)[:SHOWN]
    for name in [name for name in classes if name in most]:
        count = f"{classes[name]:7.2%}" if values else f"{classes[name]:7,}"
        yield f"          {name:{wide}} {count}"
    if len(classes) > SHOWN:
        yield f"          and {len(classes) - SHOWN} more"
    if report["ignored"] is not None:
        yield f"ignored   pixels of {report['ignored']}"
    ratio = max(classes.values()) / max(min(classes.values()), 1e-9)
    if ratio > 2 and not values:
        yield f"imbalance {ratio:.1f} times as many of the largest class as of the smallest"
