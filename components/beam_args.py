"""The Beam options of every pipeline, beside those of its configuration."""

from collections.abc import Sequence

from components.tfdv_standin import BEAM_PLUGIN_ARG

# For workers elsewhere TFX packs its own source, at every step anew: two seconds, and 40 MB in the
# temporary folder that nobody removes. It does not if an option says where workers get it. Those on
# this machine import what is installed, and read this option no further.
LOCAL_WORKERS_ARG = "--sdk_container_image=this-machine"

_LOCAL_RUNNERS = (None, "DirectRunner", "direct")


def complete(args: Sequence[str]) -> list[str]:
    """Adds what our steps need.

    Args:
        args: Beam pipeline options, as in the configuration's `beam.args`.

    Returns:
        Those and ours. An option about the workers' code is left as it is where there is one.
    """
    from apache_beam.options.pipeline_options import (
        PipelineOptions,
        SetupOptions,
        StandardOptions,
        WorkerOptions,
    )

    options = PipelineOptions(list(args))
    setup = options.view_as(SetupOptions)
    told = (
        setup.extra_packages,
        setup.setup_file,
        setup.requirements_file,
        options.view_as(WorkerOptions).sdk_container_image,
    )
    local = options.view_as(StandardOptions).runner in _LOCAL_RUNNERS
    return [*args, BEAM_PLUGIN_ARG, *([LOCAL_WORKERS_ARG] if local and not any(told) else [])]
