"""The command itself, in a process of its own."""

from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / "pipelines" / "cli.py"


@pytest.fixture(scope="session")
def pawlens(zygote):
    """pawlens(*arguments) runs the command to its end; its errors are apart from its output."""
    return lambda *arguments: zygote.call(COMMAND, *arguments, apart=True)
