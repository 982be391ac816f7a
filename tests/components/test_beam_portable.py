"""A step of ours through a portable job server, over a socket, as with Flink's and Spark's."""

import subprocess
import sys
import time

import pytest

from components.beam_args import complete


@pytest.fixture
def job_server(tmp_path):
    """Address of Beam's own small job server, in a process of its own."""
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--port_file", str(port_file), "--staging_dir", str(tmp_path / "staged")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60
            while not port_file.exists():
                assert server.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline, "it did not start"
                time.sleep(0.1)
            yield f"localhost:{port_file.read_text()}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def test_statistics_go_through_a_portable_runner(job_server, tmp_path):
    import tensorflow as tf
    import tensorflow_data_validation as tfdv
    from tfx.components.statistics_gen.executor import Executor
    from tfx.types import artifact_utils, standard_artifacts

    examples, statistics = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    examples.uri, statistics.uri = str(tmp_path / "examples"), str(tmp_path / "statistics")
    examples.split_names = artifact_utils.encode_split_names(["train"])
    examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
    folder = tmp_path / "examples" / "Split-train"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "data_tfrecord-00000-of-00001.gz"), "GZIP") as writer:
        for value in (1.0, 2.0, 6.0):
            feature = {"x": tf.train.Feature(float_list=tf.train.FloatList(value=[value]))}
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())
    args = complete(
        [
            "--runner=PortableRunner",
            f"--job_endpoint={job_server}",
            "--environment_type=LOOPBACK",
        ]
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
