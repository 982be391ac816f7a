"""The command `pawlens run`: everything around the pipeline itself."""

import contextlib
import importlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.config import check_data_path, load_config
from pipelines.logs import logging_to, use_root_logger
from pipelines.steps import STEPS
from pipelines.table import print_summary
from pipelines.workdir import WorkDir
from serving.errors import FailedError

if TYPE_CHECKING:
    from pipelines.local import Progress


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
    console = Console()
    with place.locked():
        log = place.logs / time.strftime("run-%Y%m%dT%H%M%SZ.log", time.gmtime())
        console.print(f"{config.name}: work in {place.root}, log in {log}", soft_wrap=True)
        with logging_to(log), errors_named(log):
            start_up(console)
            from pipelines.local import run_pipeline
            from pipelines.summary import summarize

            steps = run_pipeline(config, folder, place, report_steps(console), rehash=rehash)
            summary = summarize(config, place, steps, time.monotonic() - start)
        for note in summary["data"].get("notes", ()):
            console.print(f"note: {note}", soft_wrap=True)
        print_summary(summary, console)
    if summary["rolled_back"]:
        raise FailedError(f"{config.pusher.model_name}: {summary['rolled_back']}; see {log}")


@contextlib.contextmanager
def errors_named(log: Path) -> Iterator[None]:
    """Makes one line of a failed import or step, which names the log with the rest."""
    try:
        yield
    except ImportError as error:
        logging.getLogger(__name__).exception("an import failed")
        raise FailedError(f"cannot import {error.name}: {error}; see {log}") from error
    except FailedError as error:
        logging.getLogger(__name__).exception("a step failed")
        raise FailedError(f"{error}; see {log}") from error


def start_up(console: Console) -> None:
    """Imports TensorFlow and TFX, which take their time: only now, once all else is right."""
    with console.status("starting"):
        importlib.import_module("pipelines.local")
    use_root_logger()


def report_steps(console: Console) -> "Progress":
    """Prints a line a step; to be called after `start_up`."""
    from pipelines.local import Progress

    def finished(step: str, seconds: float, cached: bool) -> None:
        console.print(f"  {step:<18} {'cached' if cached else f'{seconds:6.1f} s'}")

    def started(step: str) -> None:
        # On a terminal the line is overwritten by the step's result; in a log it stays.
        talkative = step in STEPS and STEPS[step].talkative
        overwritten = console.is_terminal and not talkative
        console.print(f"  {step} ...", end="\r" if overwritten else "\n")

    return Progress(started, finished)
