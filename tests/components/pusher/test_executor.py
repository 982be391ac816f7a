"""The step: what it pushes, what it marks, what it writes down."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.artifacts import PUSH
from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE
from serving.stores.versions import list_versions, model_digest


@pytest.fixture
def push(tmp_path: Path):
    """`push(content, model_blessed, infra_blessed, *classes, **config)` -> artifact, push.json."""
    turns = iter(range(100))

    def run(
        content: bytes, model_blessed: bool, infra_blessed: bool, *classes: str, **config: bool
    ) -> tuple[Any, dict]:
        from google.protobuf import json_format
        from tfx.proto import pusher_pb2
        from tfx.types import standard_artifacts as kinds

        from components.artifacts import Report
        from components.pusher.executor import Executor
        from components.pusher.settings import PusherConfig

        turn = tmp_path / str(next(turns))

        def make(kind: type, blessed: bool | None = None) -> Any:
            artifact = kind()
            artifact.uri = str(turn / kind.TYPE_NAME)
            Path(artifact.uri).mkdir(parents=True)
            if blessed is not None:
                artifact.set_int_custom_property("blessed", int(blessed))
            return artifact

        model = make(kinds.Model)
        folder = Path(model.uri, "Format-Serving")
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(content)
        (folder / ASSETS_EXTRA).mkdir()
        (folder / ASSETS_EXTRA / MODEL_CLASSES_FILE).write_text(
            Classes(classes or ("cat", "dog")).to_json()
        )
        pushed = make(kinds.PushedModel)
        destination = pusher_pb2.PushDestination()
        destination.filesystem.base_directory = str(tmp_path / "serving" / "pets")
        report = make(Report)
        Path(report.uri, "model_card.md").write_text(f"# {content.decode()}")
        Path(report.uri, "model_card.json").write_text("{}")
        Executor().Do(
            {
                "model": [model],
                "model_blessing": [make(kinds.ModelBlessing, model_blessed)],
                "infra_blessing": [make(kinds.InfraBlessing, infra_blessed)],
                "report": [report],
            },
            {"pushed_model": [pushed]},
            {
                "push_destination": json_format.MessageToJson(destination),
                "task": "image_classification",
                "config": PusherConfig(model_name="pets", **config).model_dump_json(),
            },
        )
        return pushed, json.loads(Path(pushed.uri, PUSH).read_text())

    return run


@pytest.mark.parametrize("blessings", [(False, True), (True, False), (False, False)])
def test_not_blessed(push, tmp_path, blessings):
    artifact, told = push(b"graph", *blessings)
    assert told == {"status": "not blessed", "name": "pets"}
    assert artifact.get_int_custom_property("pushed") == 0
    assert not (tmp_path / "serving").exists()


def test_blessed_then_already_served_then_another(push, tmp_path):
    base = tmp_path / "serving" / "pets"
    artifact, told = push(b"graph", True, True)
    (version,) = list_versions(base)
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
    assert list_versions(base) == [version]

    artifact, other = push(b"better graph", True, True)
    assert other["status"] == "pushed"
    assert other["digest"] != told["digest"]
    assert list_versions(base) == [version, other["version"]]


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
