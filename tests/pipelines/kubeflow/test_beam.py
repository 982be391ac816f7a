import json

import pytest

from pipelines.config import load_config
from pipelines.kubeflow.platform_checks import check_beam
from serving.errors import InputError

FLINK = [
    "--runner=FlinkRunner",
    "--job_endpoint=flink-jobserver:8099",
    "--environment_type=EXTERNAL",
    "--environment_config=localhost:50000",
]
DATAFLOW = [
    "--runner=DataflowRunner",
    "--project=my-project",
    "--region=europe-west4",
    "--temp_location=gs://bucket/tmp",
    "--sdk_container_image=registry/pipeline:1",
]
LOCAL = ["--direct_num_workers=1"]
SHARED = [{"claim": "beam-artifacts", "path": "/minio"}]


def check(args=(), root="", volumes=(), **steps):
    sets = {
        "beam": {"args": list(args or LOCAL), "steps": steps},
        "kubeflow": {"pipeline_root": root, "volumes": list(volumes)},
    }
    check_beam(load_config("linear_blobs", [f"{key}={json.dumps(sets[key])}" for key in sets]))


def test_workers_elsewhere_share_a_volume_or_read_gs():
    check(LOCAL, root="s3://bucket/root")  # those in the step's pod need nothing
    check(FLINK, root="minio://mlpipeline/v2", volumes=SHARED)
    check(FLINK, root="gs://bucket/root")
    check(DATAFLOW, root="gs://bucket/root", example_gen=LOCAL)
    check(root="minio://b/r", volumes=[SHARED[0] | {"steps": ["evaluator"]}], evaluator=FLINK)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"args": FLINK}, r"beam.args: .*kubeflow.pipeline_root: .*found ''"),
        ({"args": FLINK, "root": "minio://b/r"}, r"example_gen: expected a folder on .*'/minio'"),
        ({"args": FLINK, "root": "s3://b/r", "volumes": SHARED}, r"step example_gen.*'/s3'"),
        (
            {
                "evaluator": FLINK,
                "root": "minio://b/r",
                "volumes": [SHARED[0] | {"steps": ["example_gen"]}],
            },
            r"beam.steps.evaluator: workers elsewhere: step evaluator",
        ),
        ({"evaluator": DATAFLOW, "root": "s3://b/r"}, r"evaluator: .*expected a URL gs://"),
        ({"args": DATAFLOW, "root": "gs://b/r"}, "example_gen reads a folder on a volume"),
        ({"args": ["--runner=FlinkRunner"]}, r"no Java .*--job_endpoint.*k8s/flink"),
        ({"statistics_gen": ["--runner=spark"]}, r"beam.steps.statistics_gen: .*no Java"),
    ],
)
def test_what_workers_could_not_reach_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        check(**given)
