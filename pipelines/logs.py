"""Keeps the terminal for what a person wants to read; everything else goes to a file."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from serving.stores.files import open_own


def terminal(**options: Any) -> Console:
    """Where commands tell what they did: names as they are, none is taken for rich's markup."""
    return Console(markup=False, emoji=False, **options)


def plain_terminal() -> Console:
    """The same in whole lines, as scripts read them."""
    return terminal(soft_wrap=True, highlight=False)


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Sends what TFX, Beam and TensorFlow say to a file, from Python and from below it.

    To be entered before TensorFlow is imported. `sys.stderr` still reaches the terminal.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8") as file,
        os.fdopen(os.dup(2), "w") as terminal,
        contextlib.redirect_stderr(terminal),
        _descriptor_to(file),
        everything_to(file),
    ):
        yield


@contextlib.contextmanager
def libraries_silent() -> Iterator[None]:
    """Drops what is written to the descriptor of stderr, as TensorFlow does when it is imported."""
    with Path(os.devnull).open("w") as nowhere, _descriptor_to(nowhere):
        yield


@contextlib.contextmanager
def _descriptor_to(file: TextIO) -> Iterator[None]:
    """Sends to a file what is written to the descriptor of stderr: TensorFlow's C++ code does."""
    before = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextlib.contextmanager
def everything_to(stream: TextIO) -> Iterator[None]:
    """Sends every library's log lines and warnings to a stream, one form for all, from INFO."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)


def use_root_logger() -> None:
    """Makes absl and TensorFlow, which bring handlers of their own, log like everyone else."""
    from absl import logging as absl_logging

    absl_logging.use_python_logging(quiet=True)
    absl_logging.set_verbosity(absl_logging.INFO)
    for name in ("absl", "tensorflow"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
