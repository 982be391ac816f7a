"""How far a command is, for a person who watches."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from serving.commands.outputs import TABLE_ROWS

# From so many images on there is something to watch.
_MANY = 16


@contextlib.contextmanager
def progress(count: int, style: str) -> Iterator[Callable[[], None]]:
    """A bar on standard error, if a person watches and rows do not go to the same terminal."""
    shared = sys.stdout.isatty() and (style != "table" or count > TABLE_ROWS)
    if count < _MANY or shared or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # Redirected, rows for a file would end up beside the bar.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task("", total=count)
        yield lambda: bar.advance(task)
