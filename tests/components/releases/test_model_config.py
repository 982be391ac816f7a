import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from components.releases import labels
from components.releases.model_config import ModelConfigFile
from serving.errors import InputError

WRITTEN = """model_config_list {
  config {
    name: "cats"  # of the first floor
    base_path: "/models/cats"
    model_platform: "tensorflow"
    model_version_policy { latest { num_versions: 1 } }
  }
  config: < name: 'dogs' base_path: "/models/dogs" model_platform: "tensorflow" >
}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "models.config"
    file.write_text(WRITTEN)
    return file


def _models(path: Path) -> dict:
    parsed = text_format.Parse(path.read_text(), ModelServerConfig())
    return {one.name: one for one in parsed.model_config_list.config}


def test_a_label_leaves_the_rest_as_it_was(path):
    before = _models(path)
    ModelConfigFile(path, "cats").change(lambda entry: labels.label(entry, "stable", 7))
    after = _models(path)
    assert after["dogs"] == before["dogs"]
    assert dict(after["cats"].version_labels) == {"stable": 7}
    assert list(after["cats"].model_version_policy.specific.versions) == [7]
    assert after["cats"].base_path == "/models/cats"


def test_a_new_model_and_a_new_file(path, tmp_path):
    for file in (path, tmp_path / "new" / "models.config"):
        written = ModelConfigFile(file, "birds")
        written.change(lambda entry: labels.label(entry, "stable", 7), "/models/birds")
        birds = _models(file)["birds"]
        assert (birds.base_path, birds.model_platform) == ("/models/birds", "tensorflow")
        assert dict(birds.version_labels) == {"stable": 7}
    assert list(_models(path)) == ["cats", "dogs", "birds"]


def test_mistakes_are_told_in_a_line_and_nothing_is_written(path):
    with pytest.raises(InputError, match="no model 'cat': expected one of cats, dogs"):
        ModelConfigFile(path, "cat").change(lambda entry: None)
    assert path.read_text() == WRITTEN
    path.write_text("")
    with pytest.raises(InputError, match="expected an entry for it, found no model; is it the"):
        ModelConfigFile(path, "cat").existing()
    path.write_text("model_config_list { config { nmae: 'x' } }")
    with pytest.raises(InputError, match=r"ModelServerConfig in text form, found .*nmae"):
        ModelConfigFile(path, "cats").entry()


ADDER = """
import sys
from pathlib import Path
from components.releases import labels
from components.releases.model_config import ModelConfigFile
file = ModelConfigFile(Path(sys.argv[1]), "cats")
for step in range(10):
    file.change(lambda entry: labels.label(entry, f"label{sys.argv[2]}-{step}", 7))
"""


def test_changes_of_several_processes_are_all_kept(path):
    commands = [[sys.executable, "-c", ADDER, str(path), str(number)] for number in range(3)]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(_models(path)["cats"].version_labels) == 31  # and stable


def _entry(versions=(), **marks):
    entry = ModelServerConfig().model_config_list.config.add(name="cats", base_path="/cats")
    if versions:
        entry.model_version_policy.specific.versions[:] = versions
    for name, version in marks.items():
        entry.version_labels[name] = version
    return entry


def _told(entry) -> tuple[list[int], dict[str, int]]:
    return labels.listed(entry), dict(entry.version_labels)


def test_what_was_served_stays_loaded_beside_a_first_canary():
    entry = _entry()
    labels.admit(entry, 8, served=7)
    assert _told(entry) == ([7, 8], {"stable": 7})
    labels.label(entry, "canary", 8)
    assert _told(entry) == ([7, 8], {"stable": 7, "canary": 8})
    labels.admit(entry, 9, served=8)
    labels.label(entry, "canary", 9)
    assert _told(entry) == ([7, 9], {"stable": 7, "canary": 9})
    labels.label(entry, "stable", 9)
    assert _told(entry) == ([9], {"stable": 9, "canary": 9})


def _first_canary(entry) -> None:
    labels.admit(entry, 7, served=None)
    labels.label(entry, "canary", 7)


@pytest.mark.parametrize(
    ("entry", "change", "told"),
    [
        # What the latest policy served stays loaded, whatever is stable; so do pinned versions.
        (_entry(stable=5), lambda e: labels.admit(e, 8, served=7), ([5, 7, 8], {"stable": 5})),
        (_entry([3, 7], stable=7), lambda e: labels.label(e, "stable", 9), ([3, 9], {"stable": 9})),
        # A dismissed version leaves, unless it is labelled.
        (_entry([7, 8], stable=7), lambda e: labels.dismiss(e, 8), ([7], {"stable": 7})),
        (_entry([7], stable=7), lambda e: labels.dismiss(e, 7), ([7], {"stable": 7})),
        # A first version is stable, whatever its label.
        (_entry(), _first_canary, ([7], {"stable": 7, "canary": 7})),
    ],
)
def test_versions_that_stay_in_the_list(entry, change, told):
    change(entry)
    assert _told(entry) == told


def test_no_list_is_left_empty():
    only = _entry([8])
    labels.dismiss(only, 8)  # an empty list would be an error
    assert not only.HasField("model_version_policy")
    # And a policy of all versions stays one.
    entry = _entry()
    entry.model_version_policy.all.SetInParent()
    labels.admit(entry, 8, served=7)
    labels.label(entry, "stable", 8)
    assert entry.model_version_policy.WhichOneof("policy_choice") == "all"


def test_a_replaced_version_loses_all_its_labels():
    entry = _entry([7, 8, 9], stable=8, canary=8, old=7, next=9)
    assert labels.replace(entry, 8, 7) == ["canary", "stable"]
    assert _told(entry) == ([7, 9], {"stable": 7, "canary": 7, "old": 7, "next": 9})
