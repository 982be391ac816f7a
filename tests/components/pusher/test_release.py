from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.export.answers import NotServable
from components.pusher import release as release_module
from components.pusher.live_check import NoServer, Superseded
from components.pusher.release import Release
from components.pusher.settings import LiveCheckConfig, PusherConfig
from components.releases import labels
from components.releases.model_config import ModelConfigFile
from serving.errors import InputError
from serving.names import ASSETS_EXTRA, UNCHECKED_FILE
from serving.stores import open_store

NOBODY = LiveCheckConfig(target="127.0.0.1:9")  # the discard port: nothing answers
UNCHECKED = f"{ASSETS_EXTRA}/{UNCHECKED_FILE}"


def _fine(version: int) -> None:
    """What a server has nothing against."""


def _raising(error: Callable[[int], BaseException]) -> Callable[[int], None]:
    """A check that ends with what it makes of the version."""

    def check(version: int) -> None:
        raise error(version)

    return check


_refuse = _raising(lambda version: NotServable(f"version {version} does not load"))


@pytest.fixture
def release(base, tmp_path, make_model) -> Callable:
    """`release(seed, check, **settings)` pushes the model of a seed."""

    def run(seed: int, check=None, **settings) -> dict:
        folder = tmp_path / f"m{seed}"
        model = folder if folder.exists() else make_model(folder, seed)
        config = PusherConfig(model_name="cats", **settings)
        return Release(base, config, check).run(model, {"card.md": b"# Cats"})

    return run


def test_a_good_version_stays_and_carries_no_mark(base, release):
    told = release(1, _fine)
    store = open_store(base)
    assert told["status"] == "pushed"
    assert store.versions() == [told["version"]]
    assert store.read(told["version"], UNCHECKED) is None
    assert store.read(told["version"], f"{ASSETS_EXTRA}/card.md") == b"# Cats"


def test_a_bad_version_is_taken_back(base, release):
    store = open_store(base)
    told = release(1, _refuse)
    bad = told["version"]
    assert told["status"] == "rolled back"
    assert told["served"] is None
    assert told["reason"] == (
        f"version {bad} was rolled back: version {bad} does not load; no version is left"
    )
    assert store.versions() == []
    good = release(1, _fine)["version"]  # another try is another try
    told = release(2, _refuse)
    assert told["served"] == {"version": good, "path": store.path(good)}
    assert told["reason"].endswith(f"; version {good} is the newest again")
    assert store.versions() == [good]


def test_a_version_of_a_killed_pusher_is_tried_by_the_next(base, release):
    with pytest.raises(KeyboardInterrupt):
        release(1, _raising(lambda _: KeyboardInterrupt()))
    tried: list[int] = []
    told = release(1, tried.append)
    assert told["status"] == "pushed"
    assert tried == [told["version"]] == open_store(base).versions()
    assert release(1, tried.append)["status"] == "already served"
    assert len(tried) == 1


def test_a_first_version_waits_for_its_server(base, release):
    nobody = _raising(lambda _: NoServer("no server answers"))
    told = release(1, nobody)
    assert told["status"] == "pushed"
    assert told["reason"].endswith("was not tried, the next run tries it: no server answers")
    tried: list[int] = []
    assert release(1, tried.append)["version"] == told["version"]
    assert tried == [told["version"]]
    assert release(2, nobody)["status"] == "rolled back"  # a second one has to be served


def test_a_superseded_version_stays(base, release):
    told = release(1, _raising(lambda version: Superseded(version + 1)))
    assert told["status"] == "pushed"
    assert "was not tried: version" in told["reason"]
    assert open_store(base).versions() == [told["version"]]


def test_the_newest_stay_and_what_others_put_there(base, release):
    store = open_store(base)
    versions = [release(seed, keep_versions=3)["version"] for seed in range(3)]
    stranger = versions[0]
    store.discard(stranger, f"{ASSETS_EXTRA}/pawlens_digest.txt")
    told = release(3, keep_versions=3)
    assert told["removed"] == []
    told = release(4, keep_versions=3)
    assert told["removed"] == [versions[1]]
    assert store.versions() == [stranger, *store.versions()[-3:]]
    assert release(5, keep_versions=None)["removed"] == []


def test_one_version_is_two_until_the_server_has_followed(base, release):
    versions = [release(seed, keep_versions=1)["version"] for seed in range(3)]
    assert open_store(base).versions() == versions[1:]
    # And nothing is removed while nobody tells what is served.
    told = release(3, _fine, keep_versions=1, live_check=NOBODY)
    assert told["removed"] == []
    assert open_store(base).versions() == [*versions[1:], told["version"]]


def test_labelled_versions_stay(base, release, tmp_path, monkeypatch):
    monkeypatch.setattr(release_module, "live_versions", lambda target, name: set())
    path = tmp_path / "models.config"
    settings = {"keep_versions": 1, "model_config_file": str(path), "label": "canary"}
    versions = [release(seed, _fine, live_check=NOBODY, **settings)["version"] for seed in range(4)]
    entry = ModelConfigFile(path, "cats").existing()
    assert entry.base_path == base
    assert dict(entry.version_labels) == {"stable": versions[0], "canary": versions[3]}
    assert labels.listed(entry) == [versions[0], versions[3]]
    assert open_store(base).versions() == [versions[0], versions[2], versions[3]]


def test_the_label_waits_for_the_check(release, tmp_path):
    path = tmp_path / "models.config"
    file = ModelConfigFile(path, "cats")
    settings = {"model_config_file": str(path), "live_check": NOBODY}
    seen: list[tuple[list[int], dict[str, int]]] = []

    def look(version: int | None = None) -> None:
        seen.append((labels.listed(file.existing()), dict(file.existing().version_labels)))
        if version:
            raise NotServable("too slow")

    first = release(1, _fine, **settings)["version"]
    second = release(2, look, **settings)["version"]
    look()
    # It was loaded, so that it could be tried, and left again.
    assert seen == [([first, second], {"stable": first}), ([first], {"stable": first})]


def test_a_broken_model_config_file_is_told_before_anything_is_pushed(base, release, tmp_path):
    path = Path(tmp_path, "models.config")
    path.write_text("model_config_list {")
    with pytest.raises(InputError, match=r"models\.config"):
        release(1, _fine, model_config_file=str(path), live_check=NOBODY)
    assert open_store(base).versions() == []


def test_a_name_that_is_no_folder_of_its_own():
    for name in ("..", ".", ".hidden", "a/b", ""):
        with pytest.raises(ValidationError, match="model_name"):
            PusherConfig(model_name=name)
