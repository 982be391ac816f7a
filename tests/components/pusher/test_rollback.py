from pathlib import Path

import pytest

from components.pusher import rollback
from components.pusher.push import push_model
from components.pusher.rollback import roll_back, set_label
from components.releases import labels
from components.releases.model_config import ModelConfigFile
from serving.errors import FailedError, InputError
from serving.names import ASSETS_EXTRA, ROLLBACK_FILE
from serving.stores import open_store
from serving.stores.versions import model_digest

SERVER = "127.0.0.1:9"  # the discard port: nothing answers


@pytest.fixture
def three(base, tmp_path, make_model):
    """Versions of the models 1, 2 and 3, whose folders lie there, too."""
    versions = [push_model(make_model(tmp_path / f"m{i}", i), base).version for i in (1, 2, 3)]
    return open_store(base), versions, [tmp_path / f"m{i}" for i in (1, 2, 3)]


def _back(base: str, version: int | None = None, file: Path | None = None) -> str:
    root, _, name = base.rpartition("/")
    return roll_back(name, version, serving_root=root, model_config_file=file, target=SERVER)


def _served(store) -> str:
    with store.on_disk(store.newest()) as folder:
        assert model_digest(folder) == store.digest(store.newest())
        return model_digest(folder)


def test_back_and_further_back(base, three):
    store, versions, models = three
    said = _back(base)
    assert _served(store) == model_digest(models[1])
    fourth = store.newest()
    assert said == (
        f"cats: version {versions[1]} is served again, as version {fourth}; version {versions[2]}"
        " stays there, but its content is not pushed again"
    )
    assert store.versions() == [*versions, fourth]  # nothing is removed
    _back(base)
    assert _served(store) == model_digest(models[0])  # not the one that was rolled back from
    with pytest.raises(InputError, match=r"cats: no version is older than \d+, which is served"):
        _back(base)
    assert len(store.versions()) == 5


def test_a_second_copy_of_what_is_served_is_no_older_version(tmp_path, make_model):
    base = tmp_path / "cats"
    for version, content in ((1, "old"), (2, "bad"), (3, "bad")):  # two pushers at once
        make_model(base / str(version), len(content) + ord(content[0]))
    _back(str(base))
    store = open_store(base)
    assert store.digest(store.newest()) == store.digest(1)


def test_to_a_version_and_forward_again(base, three):
    store, versions, models = three
    _back(base, versions[0])
    assert _served(store) == model_digest(models[0])
    assert "has the content of version" in _back(base, versions[0])
    assert len(store.versions()) == 4
    _back(base, versions[2])
    assert _served(store) == model_digest(models[2])
    assert "is served already" in _back(base, store.newest())
    _back(base)  # what was before version 3, in truth
    assert _served(store) == model_digest(models[1])


def test_what_was_rolled_back_from_is_not_pushed_again(base, three, tmp_path, make_model):
    _, versions, models = three
    _back(base, versions[0])
    for model, version in ((models[1], versions[1]), (models[2], versions[2])):
        push = push_model(model, base)
        assert (push.status, push.version) == ("set aside", version)
    assert push_model(models[0], base).status == "already served"
    # Until something new was pushed: then this chapter is closed.
    assert push_model(make_model(tmp_path / "m4", 4), base).status == "pushed"
    assert push_model(models[2], base).status == "pushed"


def test_wrong_names_and_versions(base, three):
    store, versions, _ = three
    near = "" if "://" in base else ".*did you mean 'cats'"  # a folder is looked through
    with pytest.raises(InputError, match=f"model 'cast'{near}"):
        _back(f"{base.removesuffix('cats')}cast")
    with pytest.raises(InputError, match=f"version 5: expected one that is there.*{versions[0]}"):
        _back(base, 5)
    assert store.versions() == versions


def test_a_damaged_version_is_not_served(tmp_path, make_model):
    base = tmp_path / "cats"
    old = push_model(make_model(tmp_path / "m1", 1), base)
    new = push_model(make_model(tmp_path / "m2", 2), base)
    Path(old.path, "variables", "part-000").write_bytes(b"rot")
    with pytest.raises(FailedError, match="is damaged"):
        _back(str(base))
    assert open_store(base).versions() == [old.version, new.version]


@pytest.fixture
def loaded(monkeypatch) -> list[int]:
    """The versions that a server was waited for; tests/serving/test_push_live.py has a real one."""
    waited: list[int] = []
    monkeypatch.setattr(
        rollback, "wait_until_loaded", lambda target, name, version, seconds: waited.append(version)
    )
    return waited


@pytest.fixture
def file(three, base, tmp_path):
    """A model config file where version 3 is stable and canary."""
    path = tmp_path / "models.config"
    file = ModelConfigFile(path, "cats")
    for name in ("stable", "canary"):
        file.change(lambda entry, name=name: labels.label(entry, name, three[1][2]), base)
    return file


def _labels(file: ModelConfigFile) -> tuple[list[int], dict[str, int]]:
    return labels.listed(file.existing()), dict(file.existing().version_labels)


def test_with_a_model_config_file_labels_move_and_nothing_is_copied(base, three, file, loaded):
    store, versions, _ = three
    one, two, three_ = versions
    said = _back(base, file=file.path)
    assert said.startswith(
        f"cats: version {two} takes the place of version {three_}, label canary, stable in "
    )
    assert _labels(file) == ([two], {"stable": two, "canary": two})
    _back(base, file=file.path)
    assert _labels(file) == ([one], {"stable": one, "canary": one})
    assert loaded == [two, one]
    with pytest.raises(InputError, match="no version is older"):
        _back(base, file=file.path)
    assert store.versions() == versions


def test_a_file_without_a_list_of_versions_changes_nothing(base, three, tmp_path):
    store, versions, _ = three
    path = tmp_path / "plain.config"
    ModelConfigFile(path, "cats").change(lambda entry: None, base)
    before = path.read_text()
    _back(base, file=path)
    assert len(store.versions()) == len(versions) + 1
    assert path.read_text() == before


def test_labels_by_hand(base, three, file, loaded):
    one, _, three_ = three[1]

    def label(name: str, version: str) -> str:
        where = {"model_config_file": file.path, "serving_root": "", "target": SERVER}
        return set_label("cats", name, version, **where)

    assert label("stable", str(one)).startswith(
        f"cats: label stable is on version {one}, before version {three_}, in "
    )
    assert _labels(file) == ([one, three_], {"stable": one, "canary": three_})
    assert loaded == [one]
    label("stable", "canary")  # promoted
    assert _labels(file) == ([three_], {"stable": three_, "canary": three_})
    with pytest.raises(InputError, match=r"a label of cats .*did you mean 'canary'"):
        label("stable", "canray")
    with pytest.raises(InputError, match="version 5: expected one that is there"):
        label("stable", "5")


def test_no_label_moves_to_a_version_that_is_not_loaded(base, three, file, monkeypatch):
    monkeypatch.setattr(rollback, "LOAD_SECONDS", 0.3)
    before = file.path.read_text()
    with pytest.raises(FailedError, match=r"no label was moved: .* no server answers"):
        _back(base, file=file.path)
    assert file.path.read_text() == before


NOTES = ['{"of": 3}', '{"of": 4}', '{"of": "x"}', '{"of": 1e999}', "[3]", "no JSON", "[" * 9999]


@pytest.mark.parametrize("note", NOTES)
def test_a_note_that_leads_around_or_nowhere_ends_with_one_line(tmp_path, make_model, note):
    base = tmp_path / "cats"
    for version, text in ((3, note), (4, '{"of": 3}')):
        make_model(base / str(version), version)
        (base / str(version) / ASSETS_EXTRA / ROLLBACK_FILE).write_text(text)
    told = "cats/3/.*json: expected .* with a version older than 3, found .*; .*remove it$"
    for act in (lambda: _back(str(base)), lambda: push_model(make_model(tmp_path / "m", 9), base)):
        with pytest.raises(InputError, match=told):
            act()
