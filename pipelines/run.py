"""The command `pawlens run`: everything around the pipeline itself."""

import contextlib
import importlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines.config import check_data_path, load_config
from pipelines.logs import logging_to, terminal, use_root_logger
from pipelines.workdir import WorkDir
from serving.errors import FailedError

METRICS = 20  # that the terminal shows; those of all classes together come first


def run_command(
    config_name: str, *, data: str | None, workdir: Path | None, sets: list[str], rehash: bool
) -> None:
    """Runs a pipeline and prints what came out.

    Raises:
        InputError: wrong configuration or input; nothing was changed.
        FailedError: a step failed.
    """
    start = time.monotonic()
    config = load_config(config_name, sets, data)
    folder = check_data_path(config)
    place = WorkDir((workdir or Path("runs", config.name)).expanduser().resolve())
    console = terminal()
    with working(place, "run", config.name, console) as log:
        from pipelines.local import run_pipeline
        from pipelines.summary import summarize

        steps = run_pipeline(config, folder, place, console, rehash=rehash)
        summary = summarize(config, place, steps, time.monotonic() - start)
        print_summary(summary, console)
    if summary["rolled_back"]:
        raise FailedError(f"{config.pusher.model_name}: {summary['rolled_back']}; see {log}")


@contextlib.contextmanager
def working(place: WorkDir, command: str, what: str, console: Console) -> Iterator[Path]:
    """Holds a work directory and sends what libraries say to a log in it, which is handed out.

    What is heavy is imported now: once all else is right. A failed import or step is one line that
    names the log.
    """
    with place.locked():
        log = place.logs / time.strftime(f"{command}-%Y%m%dT%H%M%SZ.log", time.gmtime())
        console.print(f"{what}: work in {place.root}, log in {log}", soft_wrap=True)
        with logging_to(log):
            try:
                with console.status("starting"):
                    importlib.import_module("pipelines.local")
                use_root_logger()
                yield log
            except (ImportError, FailedError) as error:
                logging.getLogger(__name__).exception("the run failed")
                told = f"cannot import {error.name}: " if isinstance(error, ImportError) else ""
                raise FailedError(f"{told}{error}; see {log}") from error


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
    if converted := summary["converted"]:
        own, metric = converted["original"], converted["metric"]
        for found in converted["conversions"]:
            console.print(
                f"converted {converted['path']}/{found['file']}: {metric} {found['value']:.4f}"
                f" ({own['value']:.4f}), {found['milliseconds']:.1f} ms an image"
                f" ({own['milliseconds']:.1f}), {found['bytes'] / 2**20:.1f} MiB",
                soft_wrap=True,
            )
    console.print(f"blessed   {'yes' if summary['blessed'] else 'no'}")
    if summary["pushed"]:
        console.print(f"pushed    {summary['pushed']['path']}", soft_wrap=True)
    elif summary["served"]:
        word = "already" if summary["push"] == "already served" else "still"
        console.print(f"served    {word}, as {summary['served']['path']}", soft_wrap=True)
    for reason in summary["reasons"]:
        console.print(f"          {reason}", soft_wrap=True)
    console.print(f"report    {summary['report']}", soft_wrap=True)
