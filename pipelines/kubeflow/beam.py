"""Whether Beam workers outside a step's pod can reach what the step reads and writes.

The launcher downloads a step's inputs to local folders, made of their URLs, and uploads its outputs
from there. Workers elsewhere see those folders only as a volume that they and the step mount at the
same path; or they take the URLs themselves, which Beam and TensorFlow both do for `gs://` alone.
"""

from components.beam_args import runner, runs_elsewhere
from pipelines.kubeflow.platform_checks import check_mounted
from pipelines.kubeflow.settings import KubeflowConfig
from pipelines.sections import PipelineConfig
from pipelines.steps import using
from serving.errors import InputError

# The one kind of URL that every reader and writer of ours takes as it is.
READABLE = "gs"
_SCRATCH = {"minio": "/minio", "s3": "/s3"}


def check_beam(config: PipelineConfig) -> None:
    """Refuses Beam options that cannot work in a step's pod.

    Raises:
        InputError: the first mistake, in one line.
    """
    beam = config.beam
    for step in config.beam_steps:
        key = f"beam.steps.{step}" if step in beam.steps else "beam.args"
        args = beam.steps.get(step, beam.args)
        _check_job_server(args, key)
        if runs_elsewhere(args):
            _check_artifacts(step, args, key, config.kubeflow)


def _check_job_server(args: list[str], key: str) -> None:
    """Beam would start Flink's and Spark's with Java, from a file that it downloads."""
    if runner(args) in ("FlinkRunner", "SparkRunner") and not any(
        arg.startswith("--job_endpoint") for arg in args
    ):
        raise InputError(
            f"{key}: the image has no Java to start a job server with",
            expected="--job_endpoint=HOST:PORT of one that runs",
            found="none",
            todo="k8s/flink has one",
        )


def _check_artifacts(step: str, args: list[str], key: str, kubeflow: KubeflowConfig) -> None:
    scheme = kubeflow.pipeline_root.partition("://")[0]
    dataflow = runner(args) == "DataflowRunner"
    if not scheme or (dataflow and scheme != READABLE):
        raise InputError(
            f"{key}: workers elsewhere have to reach the artifacts: kubeflow.pipeline_root",
            expected="a URL gs://" if dataflow else "the URL that artifacts go below",
            found=f"'{kubeflow.pipeline_root}'",
        )
    if dataflow and step in using("data"):
        raise InputError(
            f"{key}: {step} reads a folder on a volume, which Dataflow's workers do not see",
            todo=f"give it options of its own under beam.steps.{step}",
        )
    if scheme != READABLE:
        check_mounted(kubeflow, step, f"{key}: workers elsewhere", _SCRATCH[scheme])
