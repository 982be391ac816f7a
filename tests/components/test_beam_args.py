import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability import prism_runner
from tfx.utils import dependency_utils
from tfx.utils.dependency_utils import make_beam_dependency_flags

from components.beam_args import LOCAL_WORKERS_ARG, OWN_IMAGE_ARG, complete, runs_elsewhere
from components.tfdv_standin import BEAM_PLUGIN_ARG
from serving.errors import InputError

LOCAL = [
    [],
    ["--direct_running_mode=in_memory", "--direct_num_workers=1"],
    ["--runner=DirectRunner", "--direct_running_mode=multi_processing"],
]
LOOPBACK = "--environment_type=LOOPBACK"
FLINK = ["--runner=FlinkRunner", "--job_endpoint=flink-jobserver:8099"]
FLINK += ["--environment_type=EXTERNAL", "--environment_config=localhost:50000"]
DATAFLOW = ["--runner=DataflowRunner", "--project=my-project", "--region=europe-west4"]
DATAFLOW += ["--temp_location=gs://bucket/tmp", "--sdk_container_image=registry/pipeline:1"]


@pytest.fixture
def packed(monkeypatch):
    """Calls of TFX's packing of itself, which is not made."""
    calls = []
    monkeypatch.setattr(
        dependency_utils, "build_ephemeral_package", lambda: calls.append(1) or "tfx.tar.gz"
    )
    return calls


@pytest.mark.parametrize("args", LOCAL)
def test_nothing_is_packed_or_downloaded_for_this_machine(args, packed, monkeypatch):
    completed, asked = complete(args), []
    assert completed[: len(args)] == args
    assert BEAM_PLUGIN_ARG in completed
    assert make_beam_dependency_flags(completed) == completed
    monkeypatch.setattr(prism_runner.PrismRunner, "run_pipeline", lambda *_: asked.append(1))
    in_memory = [arg.replace("multi_processing", "in_memory") for arg in completed]
    with beam.Pipeline(options=PipelineOptions(in_memory)) as pipeline:
        _ = pipeline | beam.Create([1, 2]) | beam.Map(abs)
    assert (packed, asked) == ([], [])


def test_workers_in_containers_of_their_own_import_what_is_there(packed):
    completed = complete(FLINK)
    assert completed == [*FLINK, BEAM_PLUGIN_ARG, OWN_IMAGE_ARG]
    assert make_beam_dependency_flags(completed) == completed
    assert packed == []


@pytest.mark.parametrize(
    "own", ["--sdk_container_image=ours:1", "--setup_file=./setup.py", "--extra_package=a.tar.gz"]
)
def test_what_the_configuration_says_of_workers_and_versions_stays(own):
    completed = complete([own])
    assert completed[:2] == [own, BEAM_PLUGIN_ARG]
    assert LOCAL_WORKERS_ARG not in completed
    assert complete([*FLINK, own]) == [*FLINK, own, BEAM_PLUGIN_ARG]
    assert complete(DATAFLOW) == [*DATAFLOW, BEAM_PLUGIN_ARG]  # which names its image
    version = "--update_compatibility_version=2.70.0"
    assert [arg for arg in complete([version]) if "update_compat" in arg] == [version]


@pytest.mark.parametrize(
    ("args", "elsewhere"),
    [
        ([], False),
        (["--runner=direct"], False),
        (["--runner=PrismRunner"], False),
        (["--runner=PortableRunner", "--job_endpoint=localhost:1", LOOPBACK], False),
        (["--runner=FlinkRunner"], False),
        (["--runner=FlinkRunner", "--flink_master=flink:8081"], True),
        (["--runner=FlinkRunner", "--job_endpoint=flink:8099"], True),
        (["--runner=SparkRunner"], False),
        (["--runner=spark", "--spark_master_url=spark://s:7077"], True),
        (FLINK, True),
        (DATAFLOW, True),
    ],
)
def test_which_workers_see_other_files(args, elsewhere):
    assert runs_elsewhere(args) is elsewhere


BAD = [
    (["--runner=Flunk"], r"--runner: expected one of .*FlinkRunner.*'Flunk'"),
    (["--runner=PortableRunner", LOOPBACK], r"expected --job_endpoint=HOST:PORT, found none"),
    (["--runner=FlinkRunner", "--flink_version=9"], r"--flink_version: invalid choice.*9"),
    ([*FLINK[:2], LOOPBACK], r"LOOPBACK: .*localhost, found 'flink.*'; use EXTERNAL"),
    ([*FLINK[:2], "--environment_type=EXTERN"], r"expected one of DOCKER.*'EXTERN'"),
    ([*FLINK[:2], "--environment_type=EXTERNAL"], r"external_service_address is required"),
    ([*FLINK[:2], "--environment_type=PROCESS"], r"process_command is required"),
    (FLINK[:2], r"without our code: expected .*EXTERNAL"),
    ([*FLINK[:2], "--sdk_container_image=ours:1"], r"--sdk_container_image is for Dataflow"),
    (["--runner=SparkRunner", "--spark_master_url=spark://s:7077"], r"without our code"),
    (["--runner=DataflowRunner"], r"expected --project: .*, found none"),
    (["--runner=dataflow", DATAFLOW[1]], r"expected --region"),
    ([*DATAFLOW[:3], "--temp_location=/tmp"], r"--temp_location: .*gs://.*found '/tmp'"),
    (DATAFLOW[:4], r"expected --sdk_container_image: .*none of our code"),
]


@pytest.mark.parametrize(("args", "message"), BAD)
def test_options_that_cannot_work_are_refused_in_one_line(args, message, capfd):
    with pytest.raises(InputError, match=message) as refused:
        complete(args, key="beam.steps.evaluator")
    assert str(refused.value).startswith("beam.steps.evaluator: ")
    assert "\n" not in str(refused.value)
    assert capfd.readouterr().err == ""


def test_images_for_the_workers_of_portable_runners_are_taken():
    docker = [*FLINK[:2], "--environment_type=DOCKER"]
    for option in ("--environment_config=i:1", "--environment_option=docker_container_image=i:1"):
        assert complete([*docker, option])[-1] == OWN_IMAGE_ARG
