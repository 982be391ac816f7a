"""A step of ours through a portable job server, over a socket, as with Flink's and Spark's."""

from pathlib import Path

import pytest
import tensorflow_data_validation as tfdv
from apache_beam.runners.portability import local_job_service_main
from tfx.components.statistics_gen.executor import Executor
from tfx.types import standard_artifacts

from components.beam_args import complete


@pytest.fixture
def job_server(zygote, tmp_path):
    """Address of Beam's own small job server, in a process of its own."""
    port_file = tmp_path / "port"
    places = ("--port_file", port_file, "--staging_dir", tmp_path / "staged")
    server = zygote.start(Path(local_job_service_main.__file__), *places)
    try:
        server.wait_for(lambda: port_file.exists() or server.ended(), 60)
        assert not server.ended(), server.output_so_far()
        yield f"localhost:{port_file.read_text()}"
    finally:
        server.kill()


def test_statistics_through_a_portable_runner(job_server, write_examples, make_artifact, tmp_path):
    rows = [{"x": value} for value in (1.0, 2.0, 6.0)]
    examples = write_examples(tmp_path / "examples", {"train": rows})
    statistics = make_artifact(standard_artifacts.ExampleStatistics, tmp_path / "statistics")
    args = complete(
        ["--runner=PortableRunner", f"--job_endpoint={job_server}", "--environment_type=LOOPBACK"]
    )
    Executor(Executor.Context(beam_pipeline_args=args)).Do(
        {"examples": [examples]},
        {"statistics": [statistics]},
        {"stats_options_json": None, "exclude_splits": "[]"},
    )
    [dataset] = tfdv.load_stats_binary(
        str(tmp_path / "statistics" / "Split-train" / "FeatureStats.pb")
    ).datasets
    assert dataset.num_examples == 3
    [feature] = dataset.features
    assert feature.num_stats.mean == pytest.approx(3.0)
