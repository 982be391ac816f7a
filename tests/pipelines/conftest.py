"""The command itself, in a process of its own."""

import functools
from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / "pipelines" / "cli.py"


@pytest.fixture(scope="session")
def pawlens(zygote):
    """pawlens(*arguments, status=0) runs the command to its end; its errors are apart."""
    return functools.partial(zygote.call, COMMAND, apart=True)
