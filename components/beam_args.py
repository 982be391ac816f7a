"""The Beam options of every step that runs on Beam, beside those of its configuration."""

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.tfdv_standin import BEAM_PLUGIN_ARG
from serving.errors import InputError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

# For workers elsewhere TFX packs its own source, at every step anew: two seconds, and 40 MB in the
# temporary folder that nobody removes. It does not if an option says where workers get it. Those on
# this machine, or in containers that hold our code, import what is installed; their runners read
# this option no further.
LOCAL_WORKERS_ARG = "--sdk_container_image=this-machine"
OWN_IMAGE_ARG = "--sdk_container_image=of-the-workers"

# Beam's own runner on one machine first tries Prism, a program that it downloads when the pipeline
# runs: another one than was tested, or a pause where there is no way out. It does not for pipelines
# that are to be compatible with a version, and compatible with itself this one is anyway.
_SWITCHING = ("DirectRunner", "SwitchingDirectRunner")
_NO_PRISM = "--update_compatibility_version"

_PORTABLE = ("PortableRunner", "FlinkRunner", "SparkRunner")
_DATAFLOW = "DataflowRunner"
_ENVIRONMENTS = ("DOCKER", "PROCESS", "EXTERNAL", "LOOPBACK")
# Options that Beam would miss only after the pipeline was built, or on the service.
_DATAFLOW_NEEDS = {
    "project": "the id of a Google Cloud project",
    "region": "a region like europe-west4",
    "temp_location": "a folder gs://BUCKET/PATH",
}


def complete(args: Sequence[str], key: str = "beam.args") -> list[str]:
    """Adds what our steps need.

    Args:
        args: Beam pipeline options, as in the configuration's `beam.args`.
        key: where they stand in the configuration, for messages.

    Returns:
        Those and ours. An option about the workers' code is left as it is where there is one.

    Raises:
        InputError: an option is wrong or missing, or workers would not have our code.
    """
    import apache_beam
    from apache_beam.options.pipeline_options import SetupOptions, WorkerOptions

    options = _parsed(args, key)
    _check(options, key)
    setup = options.view_as(SetupOptions)
    told = (
        setup.extra_packages,
        setup.setup_file,
        setup.requirements_file,
        options.view_as(WorkerOptions).sdk_container_image,
    )
    ours = [BEAM_PLUGIN_ARG]
    if not any(told):
        ours.append(OWN_IMAGE_ARG if _elsewhere(options) else LOCAL_WORKERS_ARG)
    if _runner(options) in _SWITCHING and not _compatible_with(options):
        ours.append(f"{_NO_PRISM}={apache_beam.__version__}")
    return [*args, *ours]


def runs_elsewhere(args: Sequence[str]) -> bool:
    """Whether workers see other files than the process that starts the pipeline.

    They then read and write artifacts by URLs, or on a volume that both mount at one path.

    Args:
        args: Beam pipeline options.

    Raises:
        InputError: an option is wrong.
    """
    return _elsewhere(_parsed(args, "Beam's options"))


def runner(args: Sequence[str]) -> str:
    """Beam's own name of the runner that options ask for, such as `FlinkRunner`.

    Args:
        args: Beam pipeline options.

    Raises:
        InputError: an option is wrong.
    """
    return _runner(_parsed(args, "Beam's options"))


def _parsed(args: Sequence[str], key: str) -> "PipelineOptions":
    """Beam's parser leaves the process where a value is none that it takes."""
    from apache_beam.options.pipeline_options import PipelineOptions

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = PipelineOptions(list(args))
            options.get_all_options()
    except SystemExit as error:
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise InputError(key, found=reason or "options that Beam does not take") from error
    return options


def _runner(options: "PipelineOptions") -> str:
    """Beam's own name of the runner; as it was given if Beam has none of that name."""
    from apache_beam.options.pipeline_options import StandardOptions

    given = options.view_as(StandardOptions).runner or StandardOptions.DEFAULT_RUNNER
    for name in StandardOptions.KNOWN_RUNNER_NAMES:
        if name.lower() in (given.lower(), given.lower() + "runner"):
            return name
    return str(given)


def _compatible_with(options: "PipelineOptions") -> str | None:
    from apache_beam.options.pipeline_options import StreamingOptions

    version: str | None = options.view_as(StreamingOptions).update_compatibility_version
    return version


def _environment(options: "PipelineOptions") -> str:
    """Where the workers of a portable runner run; a runner that it starts itself calls back."""
    from apache_beam.options.pipeline_options import (
        FlinkRunnerOptions,
        PortableOptions,
        SparkRunnerOptions,
    )

    portable = options.view_as(PortableOptions)
    if portable.environment_type:
        return str(portable.environment_type)
    flink = options.view_as(FlinkRunnerOptions).flink_master in ("[local]", "[auto]")
    spark = options.view_as(SparkRunnerOptions).spark_master_url.startswith("local")
    starts_here = {"FlinkRunner": flink, "SparkRunner": spark}.get(_runner(options), False)
    return "LOOPBACK" if starts_here and not portable.job_endpoint else "DOCKER"


def _elsewhere(options: "PipelineOptions") -> bool:
    name = _runner(options)
    if name in _PORTABLE:
        return _environment(options) != "LOOPBACK"
    return name == _DATAFLOW


def _check(options: "PipelineOptions", key: str) -> None:
    from apache_beam.options.pipeline_options import StandardOptions

    name = _runner(options)
    if name not in StandardOptions.KNOWN_RUNNER_NAMES:
        known = [*StandardOptions.LOCAL_RUNNERS, *_PORTABLE, _DATAFLOW]
        raise InputError(
            f"{key}: --runner", expected=f"one of {', '.join(known)}", found=f"'{name}'"
        )
    if name in _PORTABLE:
        _check_portable(options, name, key)
    elif name == _DATAFLOW:
        _check_dataflow(options, key)


def _check_portable(options: "PipelineOptions", name: str, key: str) -> None:
    from apache_beam.options.pipeline_options import PortableOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    portable = options.view_as(PortableOptions)
    environment = _environment(options)
    endpoint = portable.job_endpoint or ""
    if name == "PortableRunner" and not endpoint:
        raise InputError(f"{key}: {name}", expected="--job_endpoint=HOST:PORT", found="none")
    if environment not in _ENVIRONMENTS and not environment.startswith("beam:env:"):
        raise InputError(
            f"{key}: --environment_type",
            expected=f"one of {', '.join(_ENVIRONMENTS)}",
            found=f"'{environment}'",
        )
    host = endpoint.rpartition(":")[0]
    if environment == "LOOPBACK" and host not in ("", "localhost", "127.0.0.1", "[::1]"):
        raise InputError(
            f"{key}: --environment_type=LOOPBACK",
            expected="a job server on this machine: its workers call back to localhost",
            found=f"'{endpoint}'",
            todo="use EXTERNAL with the workers' address",
        )
    for problem in PipelineOptionsValidator(options, None).validate_environment_options(portable):
        raise InputError(f"{key}: {name}: {problem}")
    image = portable.environment_config or portable.lookup_environment_option(
        "docker_container_image"
    )
    if environment == "DOCKER" and not image:
        raise InputError(
            f"{key}: {name}: workers have Beam's own image, without our code",
            expected="--environment_type=EXTERNAL with --environment_config=HOST:PORT of a worker"
            " pool, or --environment_config=IMAGE",
            found="none (--sdk_container_image is for Dataflow)",
        )


def _check_dataflow(options: "PipelineOptions", key: str) -> None:
    from apache_beam.options.pipeline_options import GoogleCloudOptions, WorkerOptions

    cloud = options.view_as(GoogleCloudOptions)
    for option, expected in _DATAFLOW_NEEDS.items():
        value = getattr(cloud, option)
        if not value or (option == "temp_location" and not value.startswith("gs://")):
            raise InputError(
                f"{key}: {_DATAFLOW}",
                expected=f"--{option}: {expected}",
                found=f"'{value}'" if value else "none",
            )
    if not options.view_as(WorkerOptions).sdk_container_image:
        raise InputError(
            f"{key}: {_DATAFLOW}: workers have Beam's own image, without our code",
            expected="--sdk_container_image=IMAGE, the pipeline's image",
            found="none",
        )
