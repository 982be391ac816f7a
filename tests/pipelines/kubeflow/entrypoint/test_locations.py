import pytest

from pipelines.kubeflow.locations import Locations, local_path
from serving.errors import InputError


@pytest.fixture(autouse=True)
def in_a_container(monkeypatch):
    monkeypatch.delenv("PAWLENS_ARTIFACT_PREFIX", raising=False)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("minio://bucket/run/model", "/minio/bucket/run/model"),
        ("s3://bucket/run/model", "/s3/bucket/run/model"),
        ("gs://bucket/run/model/", "/gcs/bucket/run/model"),
        ("/tmp/local/model", "/tmp/local/model"),
    ],
)
def test_paths_are_the_launchers(uri, path, monkeypatch, tmp_path):
    assert local_path(uri) == path
    monkeypatch.setenv("PAWLENS_ARTIFACT_PREFIX", str(tmp_path))
    assert local_path(uri) == (path if uri.startswith("/") else f"{tmp_path}{path}")


@pytest.mark.parametrize("uri", ["hdfs://name/run", "run/model", ""])
def test_other_places_are_refused(uri):
    with pytest.raises(InputError, match=r"expected minio://, s3://, gs:// or an absolute path"):
        local_path(uri)


def test_texts_are_told_in_uris():
    locations = Locations()
    assert locations.add("minio://b/run/model") == "/minio/b/run/model"
    assert locations.add("minio://b/run/model_run") == "/minio/b/run/model_run"
    assert locations.add("s3://b/page", custom_path="/workspace/page") == "/workspace/page"
    locations.add("s3://b/all", custom_path="/workspace")
    assert locations.add("/data/examples") == "/data/examples"
    told = {
        "/minio/b/run/model": "minio://b/run/model",
        "/minio/b/run/model_run/best.keras": "minio://b/run/model_run/best.keras",
        "from /minio/b/run/model, to /workspace/page": "from minio://b/run/model, to s3://b/page",
        "/data/examples/Split-train": "/data/examples/Split-train",
        "/models/cats/7": "/models/cats/7",
    }
    for local, remote in told.items():
        assert locations.to_remote(local) == remote
    told = locations.to_remote({"figures": [{"model": "/minio/b/run/model", "value": 0.5}, None]})
    assert told == {"figures": [{"model": "minio://b/run/model", "value": 0.5}, None]}


def test_what_workers_elsewhere_read_themselves_stays_where_it_is(monkeypatch, tmp_path):
    """But the launcher finds a folder where it looks for a declared output."""
    monkeypatch.setenv("PAWLENS_ARTIFACT_PREFIX", str(tmp_path))
    locations = Locations(shared=True)
    uri = "gs://b/run/examples"
    assert locations.add(uri) == uri
    assert locations.to_remote(f"{uri}/Split-train") == f"{uri}/Split-train"
    # TensorFlow has no file system for this one.
    assert locations.add("minio://b/run/examples") == f"{tmp_path}/minio/b/run/examples"
    assert locations.add(uri) == uri  # which is there now
    assert [*tmp_path.glob("*/*/*/*")] == [tmp_path / "gcs/b/run/examples"]
