"""The commands as a person or a script calls them, each in a process of its own."""

import contextlib
import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines import cli_ask
from pipelines.cli import main
from serving import client

PAWLENS = [sys.executable, "-m", "pipelines.cli"]


def pawlens(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    text = {"encoding": "utf-8", "errors": "surrogateescape"}
    command = [*PAWLENS, *map(str, arguments)]
    how = {"input": stdin.decode(**text), "capture_output": True, "timeout": 60}
    return subprocess.run(command, check=False, **how, **text)


@pytest.fixture
def folder(tmp_path: Path, gray) -> Path:
    """20 images."""
    images = tmp_path / "pets"
    images.mkdir()
    for number in range(20):
        (images / f"{number:02}.png").write_bytes(gray(10 * number))
    return images


def test_flags_have_the_clients_defaults() -> None:
    assert cli_ask.DEFAULT_TARGET == client.DEFAULT_TARGET
    assert cli_ask.DEFAULT_TIMEOUT_SECONDS == client.DEFAULT_TIMEOUT_SECONDS


def test_standard_input(server, gray, tmp_path) -> None:
    done = pawlens("predict", "-", "--target", server.target, "--json", stdin=gray(204))
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = json.loads(done.stdout)
    assert (row["image"], row["label"]) == ("-", "dog")
    arguments = ("explain", "-", "--target", server.target, "--output", tmp_path)
    assert pawlens(*arguments, stdin=gray(204)).returncode == 0
    assert (tmp_path / "stdin_overlay.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict"], "no image given"),
        (["predict", ".", "--json", "--format", "csv"], "--json: expected no other --format"),
        (["predict", ".", "--format", "xml"], "--format: expected one of table, json, jsonl, csv"),
        (["predict", "00.png", "--target", "127.0.0.1:1"], "no server answers at 127.0.0.1:1"),
        (["predict", "00.png", "--timeout", "0"], "timeout: expected more than 0 s"),
        (["predict", "00.png", "--header", "x"], "--header: expected KEY=VALUE"),
        (["predict", "00.png", "--tls-ca", "absent.pem"], "TLS CA absent.pem"),
        (["predict", "00.png", "--tls", "--target", "SERVER"], "does it speak TLS"),
        (["predict", "00.png", "--model-version", "1", "--label", "x"], "a version or a label"),
    ],
)
def test_mistakes_are_one_line(server, folder, monkeypatch, capsys, *, arguments, words) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    words_given = [server.target if word == "SERVER" else word for word in arguments]
    monkeypatch.setattr(sys, "argv", ["pawlens", *words_given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def _on_a_terminal(*arguments: object, stdout: int | None = None) -> tuple[int, str]:
    """Status and what a terminal shows; `stdout` goes elsewhere if given."""
    screen, terminal = pty.openpty()
    how = {"stdin": subprocess.DEVNULL, "stdout": terminal if stdout is None else stdout}
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [*PAWLENS, *map(str, arguments)]
    process = subprocess.Popen(command, stderr=terminal, env=environment, **how)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(screen, 65536):
            shown += part
    os.close(screen)
    return process.wait(60), shown.decode()


def test_a_bar_is_shown_to_a_person_and_kept_out_of_the_rows(server, folder, tmp_path):
    with (tmp_path / "rows").open("wb") as file:
        arguments = ("predict", folder, "--target", server.target, "--format", "jsonl")
        status, shown = _on_a_terminal(*arguments, stdout=file.fileno())
    assert status == 0
    assert "20/20" in shown
    rows = (tmp_path / "rows").read_text().splitlines()
    assert [json.loads(line)["image"] for line in rows] == sorted(map(str, folder.iterdir()))


def test_no_bar_among_rows_nor_for_a_few_images_nor_without_a_terminal(server, folder) -> None:
    arguments = ("predict", folder, "--target", server.target, "--format", "jsonl")
    status, shown = _on_a_terminal(*arguments)
    assert status == 0
    assert len([json.loads(line) for line in shown.splitlines()]) == 20
    status, shown = _on_a_terminal("predict", folder / "00.png", "--target", server.target)
    assert status == 0
    assert "1/1" not in shown
    assert pawlens("predict", folder, "--target", server.target).stderr == ""


def test_a_single_prediction_takes_little(server, folder: Path) -> None:
    """Processor time, for the wall clock also counts what else the machine does."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert pawlens("predict", folder / "01.png", "--target", server.target).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime < 1.5
