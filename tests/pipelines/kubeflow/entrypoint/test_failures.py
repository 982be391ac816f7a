"""What a step says, and with what status it ends, when something is wrong."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.kubeflow import last_words
from pipelines.kubeflow.entrypoint import main

PROGRAM = Path(last_words.__file__).with_name("entrypoint.py")
EXECUTOR = "components.data_validation.executor.Executor"
REQUEST: dict[str, Any] = {"outputs": {"outputFile": "/tmp/x"}}


@pytest.fixture
def run(capfd, tmp_path, monkeypatch):
    """`run(command)` -> status, log, last line; it also stands where Kubernetes looks for it."""
    termination = tmp_path / "termination-log"
    termination.touch()
    monkeypatch.setattr(last_words, "TERMINATION_LOG", termination)

    def call(command: list[str]) -> tuple[int, str, str]:
        status = main(command)
        log = capfd.readouterr().err
        *_, last = log.strip().splitlines()
        assert termination.read_text() == last
        return status, log, last

    return call


@pytest.mark.parametrize(
    "case",
    [
        ("data", 2, "data does not fit the schema: found train: label: is missing: ; mend the"),
        ("file", 1, "failed: NotFoundError: "),
        ("folder", 1, "input anomalies: there is nothing at {folder}, where {uri} should"),
    ],
)
def test_why_a_step_failed_is_its_last_line(run, backend, validate, case):
    broken, expected, told = case
    command = validate(*["label"] * (broken == "data"))
    folder = backend.path("example-validator", "anomalies")
    if broken == "file":
        (folder / "Split-train" / "SchemaDiff.pb").unlink()
    elif broken == "folder":
        folder.rename(folder.with_name("elsewhere"))
    status, log, last = run(command)
    assert status == expected
    uri = backend.uri("example-validator", "anomalies")
    assert last.startswith(f"pawlens data_validation: {told.format(folder=folder, uri=uri)}")
    assert ("Traceback (most recent call last)" in log) == (broken == "file")
    assert not backend.output_file("data-validation").exists()


def test_a_module_that_lacks_a_library_is_a_bug(run, as_command, tmp_path, monkeypatch):
    (tmp_path / "broken_step.py").write_text("import a_library_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    status, log, last = run(as_command("broken_step.Executor", REQUEST, {}))
    assert status == 1
    assert last.endswith("ModuleNotFoundError: No module named 'a_library_that_nobody_has'")
    assert "Traceback" in log


PATH = "--executor_class_path: expected the import path of an executor in this image, found"
ARGS = "--json_serialized_invocation_args:"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("components.data_validation.Nothing", REQUEST, {}), f"{PATH} .* attribute 'Nothing'"),
        (("x.data_validation.executor.Executor", REQUEST, {}), f"{PATH} .* module named 'x'"),
        ((EXECUTOR, "{not JSON", {}), f"{ARGS} expected a ExecutorInput as JSON"),
        ((EXECUTOR, '{"inputs": 1}', {}), f"{ARGS} expected a ExecutorInput"),
        ((EXECUTOR, "{}", {}), f"{ARGS} outputs.outputFile: expected a path"),
        (
            (EXECUTOR, REQUEST, {"parameters": {"x": 1}}),
            "--json_serialized_inputs_spec_args: expected",
        ),
    ],
)
def test_flags_that_are_not_what_they_should_be(run, as_command, flags, told):
    status, log, last = run(as_command(*flags))
    assert status == 2
    assert re.match(f"pawlens data_validation: {told}", last)
    assert "Traceback" not in log


def test_missing_flags(run):
    status, _, last = run([])
    flags = ("--executor_class_path", ARGS[:-1], "--json_serialized_inputs_spec_args")
    told = "command line: the following arguments are required: " + ", ".join(flags)
    assert (status, last) == (2, f"pawlens entrypoint: {told}")


@pytest.mark.parametrize("stuck", [False, True])
def test_sigterm_ends_it_promptly(zygote, backend, validate, tmp_path, stuck):
    """The step waits for a file, which is a pipe; stuck, it also swallows what would end it."""
    command = validate()
    path = backend.path("example-validator", "anomalies") / "Split-train" / "SchemaDiff.pb"
    path.unlink()
    os.mkfifo(path)
    program = PROGRAM
    if stuck:
        program = tmp_path / "stuck.py"
        program.write_text(STUCK)
    running = zygote.start(program, *command, PAWLENS_ARTIFACT_PREFIX=str(backend.prefix))
    begun = "stuck" if stuck else "step data_validation"
    try:
        running.wait_for(lambda: begun in running.output_so_far())
        os.kill(running.pid, signal.SIGTERM)
        ended = running.end(seconds=30)
    finally:
        running.kill()
    assert ended.status == 143
    *_, last = ended.output.strip().splitlines()
    assert last.startswith("pawlens data_validation: stopped by SIGTERM: ")
    assert ended.output.count("stopped by SIGTERM") == 1
    assert "Traceback" not in ended.output


STUCK = """
import sys, time
from components.data_validation import executor
from pipelines.kubeflow import entrypoint

def hang(artifact):
    print("stuck", flush=True)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

executor.read_anomalies = hang
sys.exit(entrypoint.main())
"""


def test_sigterm_of_a_child_ends_only_the_child(monkeypatch):
    """A process forked by a step's library shares the pipe by which signals are heard."""
    ended: list[int] = []
    monkeypatch.setattr(last_words, "_end", ended.append)
    reader, writer = os.pipe()
    with last_words.ending_on_sigterm(print):
        child = os.fork()
        if child == 0:
            os.write(writer, b"forked")
            signal.pause()
            os._exit(0)
        os.read(reader, 6)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        time.sleep(0.2)
    assert not ended
