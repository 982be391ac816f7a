"""What configuration, summary and command make of pushes."""

import pytest

from pipelines.config import load_config
from pipelines.workdir import WorkDir
from serving.errors import InputError


def test_a_label_without_a_check_is_told_in_one_line():
    with pytest.raises(
        InputError, match=r"^cats_vs_dogs\.yaml: pusher\.model_config_file: expected"
    ):
        load_config("cats_vs_dogs", ["pusher.model_config_file=/srv/models.config"])
    config = load_config(
        "cats_vs_dogs",
        [
            "pusher.model_config_file=/srv/models.config",
            "pusher.live_check={target: 'localhost:8500'}",
        ],
    )
    assert config.pusher.live_check.deadline_seconds == 120.0


@pytest.mark.parametrize("target", ["localhost", "local host:1", ":8500"])
def test_a_target_needs_host_and_port(target):
    with pytest.raises(InputError, match=r"pusher\.live_check\.target"):
        load_config("cats_vs_dogs", [f"pusher.live_check={{target: '{target}'}}"])


def test_a_url_stays_a_url_and_a_path_becomes_absolute(tmp_path, monkeypatch):
    from pipelines.local import serving_root
    from pipelines.pipeline import Places, build_pipeline

    monkeypatch.chdir(tmp_path)
    workdir = WorkDir(tmp_path / "work")

    def root(value: str) -> str:
        return serving_root(load_config("cats_vs_dogs", [f"pusher.serving_root={value}"]), workdir)

    assert root("s3://models/pets") == "s3://models/pets"
    assert root("models") == str(tmp_path / "models")
    assert root("''") == str(tmp_path / "work" / "serving")

    config = load_config("cats_vs_dogs", ["pusher.live_check={target: 'localhost:8500'}"])
    places = Places(tmp_path, str(tmp_path / "artifacts"), "s3://models/pets")
    steps = {step.id: step for step in build_pipeline(config, places).components}
    where = "s3://models/pets/cats_vs_dogs"
    assert where in steps["pusher"].exec_properties["push_destination"]
    assert steps["baseline"].exec_properties["model_base_path"] == where
    assert {"report", "examples"} <= set(steps["pusher"].inputs)


def test_a_summary_tells_what_is_served_after_a_roll_back():
    from pipelines.summary import _served

    version = {"name": "pets", "version": 8, "path": "/pets/8"}
    push = version | {"status": "rolled back", "served": None}
    assert _served(push, version) is None
    push["served"] = {"version": 7, "path": "/pets/7"}
    assert _served(push, version) == {"name": "pets", "version": 7, "path": "/pets/7"}
    for status, served in (("pushed", version), ("already served", version), ("set aside", None)):
        assert _served(push | {"status": status}, version) == served
