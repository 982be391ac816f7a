"""The Beam options of every step that runs on Beam, beside those of its configuration."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from components.tfdv_standin import BEAM_PLUGIN_ARG
from serving.errors import InputError, check_one_of

# For workers elsewhere TFX packs its own source, at every step anew: two seconds, and 40 MB in the
# temporary folder that nobody removes. It does not if an option says where workers get it. Those on
# this machine, or in containers that hold our code, import what is installed; their runners read
# this option no further.
LOCAL_WORKERS_ARG = "--sdk_container_image=this-machine"
OWN_IMAGE_ARG = "--sdk_container_image=of-the-workers"
_CODE = ("extra_packages", "setup_file", "requirements_file", "sdk_container_image")

# Beam's own runner on one machine first tries Prism, a program that it downloads when the pipeline
# runs: another one than was tested, or a pause where there is no way out. It does not for pipelines
# that are to be compatible with a version, and compatible with itself this one is anyway.
_SWITCHING = ("DirectRunner", "SwitchingDirectRunner")
_NO_PRISM = "update_compatibility_version"

_PORTABLE = ("PortableRunner", "FlinkRunner", "SparkRunner")
_DATAFLOW = "DataflowRunner"
_ENVIRONMENTS = ("DOCKER", "PROCESS", "EXTERNAL", "LOOPBACK")
# Options that Beam would miss only after the pipeline was built, or on the service.
_DATAFLOW_NEEDS = {
    "project": "the id of a Google Cloud project",
    "region": "a region like europe-west4",
    "temp_location": "a folder gs://BUCKET/PATH",
    "sdk_container_image": "the pipeline's image, since Beam's own has none of our code",
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
    from apache_beam.options.pipeline_options import StandardOptions

    options = _parsed(args, key)
    name = options["runner"]
    if name in _PORTABLE:
        _check_portable(args, options, key)
    elif name == _DATAFLOW:
        _check_dataflow(options, key)
    else:
        check_one_of(f"{key}: --runner", name, StandardOptions.KNOWN_RUNNER_NAMES)
    ours = [BEAM_PLUGIN_ARG]
    if not any(map(options.get, _CODE)):
        ours.append(OWN_IMAGE_ARG if runs_elsewhere(args) else LOCAL_WORKERS_ARG)
    if name in _SWITCHING and not options[_NO_PRISM]:
        ours.append(f"--{_NO_PRISM}={apache_beam.__version__}")
    return [*args, *ours]


def runs_elsewhere(args: Sequence[str]) -> bool:
    """Whether workers see other files than the process that starts the pipeline.

    They then read and write artifacts by URLs, or on a volume that both mount at one path.

    Raises:
        InputError: an option is wrong.
    """
    options = _parsed(args)
    name = options["runner"]
    return name == _DATAFLOW or (name in _PORTABLE and _environment(options) != "LOOPBACK")


def runner(args: Sequence[str]) -> str:
    """Beam's own name of the runner that options ask for, such as `FlinkRunner`.

    Raises:
        InputError: an option is wrong.
    """
    return str(_parsed(args)["runner"])


def _parsed(args: Sequence[str], key: str = "Beam's options") -> dict[str, Any]:
    """All options with their values; the runner by Beam's own name, if it has one of that name."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):  # Beam's parser leaves the process, too
            options = PipelineOptions(list(args)).get_all_options()
    except SystemExit as error:
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise InputError(key, found=reason or "options that Beam does not take") from error
    given = options["runner"] or StandardOptions.DEFAULT_RUNNER
    known = {name.lower(): name for name in StandardOptions.KNOWN_RUNNER_NAMES}
    name = known.get(given.lower()) or known.get(f"{given.lower()}runner", given)
    return options | {"runner": name}


def _environment(options: dict[str, Any]) -> str:
    """Where the workers of a portable runner run; a runner that it starts itself calls back."""
    if options["environment_type"]:
        return str(options["environment_type"])
    starts_here = {
        "FlinkRunner": options["flink_master"] in ("[local]", "[auto]"),
        "SparkRunner": options["spark_master_url"].startswith("local"),
    }
    here = starts_here.get(options["runner"], False) and not options["job_endpoint"]
    return "LOOPBACK" if here else "DOCKER"


def _check_portable(args: Sequence[str], options: dict[str, Any], key: str) -> None:
    from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator

    name, environment = options["runner"], _environment(options)
    endpoint = options["job_endpoint"] or ""
    if name == "PortableRunner" and not endpoint:
        raise InputError(f"{key}: {name}", expected="--job_endpoint=HOST:PORT", found="none")
    if not environment.startswith("beam:env:"):
        check_one_of(f"{key}: --environment_type", environment, _ENVIRONMENTS)
    host = endpoint.rpartition(":")[0]
    if environment == "LOOPBACK" and host not in ("", "localhost", "127.0.0.1", "[::1]"):
        raise InputError(
            f"{key}: --environment_type=LOOPBACK",
            expected="a job server on this machine: its workers call back to localhost",
            found=f"'{endpoint}'",
            todo="use EXTERNAL with the workers' address",
        )
    portable = PipelineOptions(list(args)).view_as(PortableOptions)
    for problem in PipelineOptionsValidator(portable, None).validate_environment_options(portable):
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


def _check_dataflow(options: dict[str, Any], key: str) -> None:
    for option, expected in _DATAFLOW_NEEDS.items():
        value = options[option]
        if not value or (option == "temp_location" and not value.startswith("gs://")):
            raise InputError(
                f"{key}: {_DATAFLOW}",
                expected=f"--{option}: {expected}",
                found=f"'{value}'" if value else "none",
            )
