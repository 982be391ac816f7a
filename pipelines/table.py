"""What a run did, as a table on the terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

METRICS = 20  # that the terminal shows; those of all classes together come first


def print_summary(summary: dict[str, Any], console: Console) -> None:
    """The table a run ends with."""
    table = Table(title=f"{summary['config']}: {summary['seconds']:.0f} s")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("")
    for name, step in summary["steps"].items():
        table.add_row(name, f"{step['seconds']:.1f}", "cached" if step["cached"] else "ran")
    console.print(table)
    data = summary["data"]
    splits = ", ".join(f"{name} {count}" for name, count in data["splits"].items())
    console.print(f"data      {data['found']} found, {data['accepted']} accepted ({splits})")
    for reason, count in data["quarantined"].items():
        console.print(f"          {count} in quarantine: {reason}")
    if data["missing"]:
        console.print(f"          {data['missing']} that a list names are not there")
    for note in data["notes"]:
        console.print(f"          {note}", soft_wrap=True)
    metrics = list(summary["metrics"]["test"].items())
    for name, value in metrics[:METRICS]:
        console.print(f"test      {name} {'-' if value is None else format(value, '.4f')}")
    if len(metrics) > METRICS:
        console.print(f"          and {len(metrics) - METRICS:,} more in summary.json")
    for line in _conversions(summary["converted"]):
        console.print(f"converted {line}", soft_wrap=True)
    console.print(f"blessed   {'yes' if summary['blessed'] else 'no'}")
    if summary["pushed"]:
        console.print(f"pushed    {summary['pushed']['path']}", soft_wrap=True)
    elif summary["served"]:
        word = "still" if summary["rolled_back"] else "already"
        console.print(f"served    {word}, as {summary['served']['path']}", soft_wrap=True)
    for reason in summary["reasons"]:
        console.print(f"          {reason}", soft_wrap=True)
    console.print(f"report    {summary['report']}", soft_wrap=True)


def _conversions(converted: dict[str, Any] | None) -> list[str]:
    """A line for each format that the model was converted to."""
    if not converted:
        return []
    own, metric = converted["original"], converted["metric"]
    return [
        f"{converted['path']}/{found['file']}: {metric} {found['value']:.4f}"
        f" ({own['value']:.4f}), {found['milliseconds']:.1f} ms an image"
        f" ({own['milliseconds']:.1f}), {found['bytes'] / 2**20:.1f} MiB"
        for found in converted["conversions"]
    ]
