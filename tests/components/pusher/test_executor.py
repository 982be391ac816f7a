import json
from pathlib import Path

import pytest
from tfx.types import standard_artifacts as kinds

from components.artifacts import PUSH, Report
from components.pusher import Pusher, PusherConfig
from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE
from serving.stores import open_store
from serving.stores.versions import model_digest


@pytest.fixture
def push(tmp_path: Path, make_artifact, run_step):
    """`push(content, model_blessed, infra_blessed, *classes, **config)` -> artifact, push.json."""
    turns = iter(range(100))

    def run(content, model_blessed, infra_blessed, *classes, **config):
        turn, told = tmp_path / str(next(turns)), Classes(classes or ("cat", "dog"))
        files = {
            "model/Format-Serving/saved_model.pb": content,
            f"model/Format-Serving/{ASSETS_EXTRA}/{MODEL_CLASSES_FILE}": told.to_json().encode(),
            "report/model_card.md": b"# " + content,
            "report/model_card.json": b"{}",
        }
        for name, written in files.items():
            (turn / name).parent.mkdir(parents=True, exist_ok=True)
            (turn / name).write_bytes(written)
        inputs = {
            "model": make_artifact(kinds.Model, turn / "model"),
            "model_blessing": make_artifact(kinds.ModelBlessing, turn / "model_blessing"),
            "infra_blessing": make_artifact(kinds.InfraBlessing, turn / "infra_blessing"),
            "report": make_artifact(Report, turn / "report"),
        }
        inputs["model_blessing"].set_int_custom_property("blessed", int(model_blessed))
        inputs["infra_blessing"].set_int_custom_property("blessed", int(infra_blessed))
        base, asked = f"{tmp_path}/serving/pets", PusherConfig(model_name="pets", **config)
        step = run_step(Pusher, turn, inputs, base_directory=base, config=asked)
        pushed = step["pushed_model"]
        return pushed, json.loads(Path(pushed.uri, PUSH).read_text())

    return run


@pytest.mark.parametrize("blessings", [(False, True), (True, False), (False, False)])
def test_not_blessed(push, tmp_path, blessings):
    artifact, told = push(b"graph", *blessings)
    assert told == {"status": "not blessed", "name": "pets"}
    assert artifact.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_blessed_then_already_served(push, tmp_path):
    base = tmp_path / "serving" / "pets"
    artifact, told = push(b"graph", True, True)
    (version,) = open_store(base).versions()
    path = base / str(version)
    expected = {"name": "pets", "version": version, "path": str(path)}
    digest = model_digest(path)
    assert told == {"status": "pushed", "digest": digest, "removed": []} | expected
    assert artifact.get_int_custom_property("pushed") == 1
    assert artifact.get_string_custom_property("pushed_destination") == str(path)
    assert artifact.get_string_custom_property("pushed_version") == str(version)
    assert (path / "saved_model.pb").read_bytes() == b"graph"
    assert (path / ASSETS_EXTRA / "model_card.md").read_text() == "# graph"
    assert (path / ASSETS_EXTRA / "model_card.json").read_text() == "{}"

    artifact, again = push(b"graph", True, True)
    assert again == {"status": "already served", "digest": digest} | expected
    assert artifact.get_int_custom_property("pushed") == 0
    assert open_store(base).versions() == [version]


def test_other_classes_are_told_and_not_pushed(push, tmp_path):
    _, first = push(b"graph", True, True)
    artifact, told = push(b"other graph", True, True, "cat", "dog", "stray")
    assert told == {
        "status": "classes changed",
        "name": "pets",
        "reason": f"other classes than served version {first['version']} has: 1 new (stray);"
        " pusher.allow_class_change pushes it",
        "served": {"version": first["version"], "path": first["path"]},
    }
    assert artifact.get_int_custom_property("pushed") == 0
    _, told = push(b"other graph", True, True, "cat", "dog", "stray", allow_class_change=True)
    assert told["status"] == "pushed"
    assert len(open_store(tmp_path / "serving" / "pets").versions()) == 2
