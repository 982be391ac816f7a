"""The command of every container of a compiled pipeline: one execution of one step.

    python -m pipelines.kubeflow.entrypoint --executor_class_path CLASS \
        --json_serialized_invocation_args JSON --json_serialized_inputs_spec_args JSON [BEAM ...]

TFX's own entrypoint does not run on open-source Kubeflow Pipelines: it trips over artifacts whose
type the backend left out, over outputs that it added, and over URIs that TensorFlow cannot read.
"""

import importlib
import itertools
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.beam_args import runs_elsewhere
from pipelines.kubeflow import last_words
from pipelines.kubeflow.invocation import EXECUTOR_FLAG, Invocation, parse, step_name
from pipelines.kubeflow.locations import Locations
from serving.errors import FailedError, InputError

if TYPE_CHECKING:
    from components.declared import CacheKeyDriver
    from pipelines.kubeflow.artifacts import Artifacts

_LOG = logging.getLogger("pawlens")


def main(argv: list[str] | None = None) -> int:
    """Runs the step that the command line names.

    Args:
        argv: the command line, without the program's name; None: this process's.

    Returns:
        0; 2 if the user's input is wrong; 1 if it failed otherwise. SIGTERM ends the process with
        143. The reason is the last line on stderr.
    """
    argv = sys.argv[1:] if argv is None else argv
    named = (step_name(value) for flag, value in itertools.pairwise(argv) if flag == EXECUTOR_FLAG)
    step = next(named, "entrypoint")

    def say(words: str) -> None:
        last_words.say_last(f"{step}: {words}")

    with last_words.readable_logs():
        try:
            with last_words.ending_on_sigterm(say):
                _run(step, parse(argv))
            return 0
        except (InputError, FailedError) as error:
            status, words = (2 if isinstance(error, InputError) else 1), str(error)
        except Exception as error:  # noqa: BLE001 - told, and the traceback logged
            _LOG.exception("the step failed")
            status, words = 1, f"failed: {type(error).__name__}: {error}"
    say(words)
    return status


def _run(step: str, invocation: Invocation) -> None:
    """Restores what the executor needs, runs it, and writes what the launcher reads.

    If the backend asks for a parameter, it is not the executor that is run, but its driver.
    """
    executor_class = _class(invocation.executor)
    # TFX brings TensorFlow; a wrong command line has been told without.
    from tfx.orchestration.portable import outputs_utils

    from components.declared import driver_of
    from pipelines.kubeflow import artifacts

    start = time.monotonic()
    locations = Locations(shared=runs_elsewhere(invocation.beam_args))
    properties = artifacts.restore_parameters(invocation)
    inputs = artifacts.restore_inputs(invocation, locations)
    outputs = artifacts.restore_outputs(invocation, locations)
    _LOG.info("step %s (%s)", step, invocation.executor)
    for key, artifact in ((key, one) for key, listed in sorted(inputs.items()) for one in listed):
        _LOG.info("input %s: %s %s", key, artifact.TYPE_NAME, locations.to_remote(artifact.uri))
    for name, value in sorted(properties.items()):
        _LOG.info("parameter %s: %s", name, last_words.shown(name, value))
    if invocation.beam_args:
        _LOG.info("options: %s", last_words.redacted(" ".join(invocation.beam_args)))
    # As TFX's launchers do; the one here makes only the folders above.
    outputs_utils.make_output_dirs(outputs)
    driver, parameters = driver_of(executor_class), {}
    if driver and invocation.request.outputs.parameters:
        parameters[driver.KEY] = driver(None).seen(inputs, properties)
        _LOG.info("output %s: %s", driver.KEY, parameters[driver.KEY])
    else:
        # Before, as retries come later, and after, as nothing keeps others from writing meanwhile.
        _check_unchanged(driver, inputs, properties)
        with tempfile.TemporaryDirectory(prefix="pawlens-") as scratch:
            executor = _executor(invocation.executor, invocation.beam_args, scratch)
            executor.Do(inputs, outputs, properties)
        _check_unchanged(driver, inputs, properties)
    output_file = Path(invocation.request.outputs.output_file)
    artifacts.write_output(output_file, outputs, locations, parameters)
    for key, [artifact] in sorted(outputs.items()):
        _LOG.info("output %s: %s: %s", key, locations.to_remote(artifact.uri), _size(artifact))
    _LOG.info("%s: done in %.1f s", step, time.monotonic() - start)


def _check_unchanged(
    driver: "type[CacheKeyDriver] | None", inputs: "Artifacts", properties: dict[str, Any]
) -> None:
    """Holds a step to what its driver saw, by which the cache will know what it made.

    Raises:
        InputError: something else is there now; or nobody asked the driver.
    """
    if driver and driver.KEY not in properties:
        todo = "compile the pipeline again with this version"
        raise InputError(f"parameter {driver.KEY}", expected="a value", todo=todo)
    if driver and driver(None).seen(inputs, properties) != properties[driver.KEY]:
        raise InputError(
            "what the step reads",
            expected=f"no change since its {driver.KEY} was taken, until the step ends",
            found="one",
            todo="let nobody write there meanwhile, and start a new run, not this one again",
        )


def _executor(path: str, beam_args: list[str], scratch: str) -> Any:
    """The executor, which may write to the folder `scratch`."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

    # An executor that is none of Beam's takes the options as flags.
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=beam_args, extra_flags=beam_args, tmp_dir=scratch, unique_id="0"
    )
    return _class(path)(context)


def _class(path: str) -> Any:
    """Imports an executor.

    Raises:
        InputError: there is nothing of that name in this image.
    """
    module_name, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and not f"{path}.".startswith(f"{error.name}."):
            raise  # the module is there, something that it needs is not
        raise InputError(
            EXECUTOR_FLAG,
            expected="the import path of an executor in this image",
            found=f"'{path}' ({error})",
            todo="compile the pipeline with the version that the image holds",
        ) from error


def _size(artifact: Any) -> str:
    """Number of files and bytes under an artifact's local path."""
    if "://" in artifact.uri:
        return "written there"
    root = Path(artifact.uri)
    files = [path for path in (root, *root.rglob("*")) if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    return f"{len(files)} files, {total / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
