"""Files in a folder where somebody else planted links: what these lead to stays as it is."""

import os

import pytest

from components.releases.labels import label
from components.releases.model_config import ModelConfigFile
from pipelines.logs import logging_to
from pipelines.workdir import WorkDir
from serving.errors import InputError
from serving.stores import open_store
from serving.stores.files import write_whole


@pytest.fixture
def folder(tmp_path):
    """One where others write, beside a file that must keep its content."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "shared").mkdir()
    yield tmp_path / "shared"
    assert (tmp_path / "victim").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shared", "victim"]


def _entry(folder):
    file = ModelConfigFile(folder / "m.config", "m")
    file.change(lambda entry: label(entry, "stable", 7), base_path="/models/m")


PLANTS = [
    (lambda path: path.symlink_to("../victim"), "found a link to "),
    (lambda path: path.symlink_to("../nowhere"), "found a link to "),
    (lambda path: path.hardlink_to(path.parents[1] / "victim"), "found one with several names"),
    (os.mkfifo, "found none"),
]
LOCKS = {
    "run.lock": lambda folder: WorkDir(folder).locked().__enter__(),
    "run.log": lambda folder: logging_to(folder / "run.log").__enter__(),
    ".push.lock": lambda folder: open_store(folder).publish(folder / "m", {}, lambda: True),
    ".m.config.lock": _entry,
}


@pytest.mark.parametrize(("plant", "told"), PLANTS)
@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_follows_what_was_planted(folder, lock, plant, told):
    plant(folder / lock)
    with pytest.raises(InputError, match=rf"{lock}: expected a plain file.*{told}.*; remove it"):
        LOCKS[lock](folder)
    assert [path.name for path in folder.iterdir()] == [lock]


def test_no_draft_follows_what_was_planted_and_a_mode_stays(folder, monkeypatch):
    (folder / f".m.config.{os.getpid()}").symlink_to("../victim")
    _entry(folder)
    (folder / "m.config").chmod(0o604)
    _entry(folder)
    assert (folder / "m.config").stat().st_mode & 0o777 == 0o604
    # If the name were known all the same, the first to make the file is who writes it.
    monkeypatch.setattr("serving.stores.files.secrets.token_hex", lambda _: "known")
    (folder / ".m.config.known").symlink_to("../victim")
    with pytest.raises(InputError, match=r"m\.config: expected a file to write, found File exists"):
        write_whole(folder / "m.config", b"")


@pytest.mark.parametrize("out", ["/etc/hostname", "../victim", "..", "in/../../victim", "chain"])
@pytest.mark.parametrize("base", ["memory://links/m", "{}/store"])
def test_links_out_of_a_model_are_not_published(folder, base, out):
    (model := folder / "model" / "in").mkdir(parents=True)
    (model / "saved_model.pb").symlink_to("../in/b")
    (model / "b").write_text("graph")
    store = open_store(base.format(folder))
    assert store.read(store.publish(model, {}, lambda: True), "saved_model.pb") == b"graph"
    (model / "chain").symlink_to("../../../victim")
    (model / "a").symlink_to(out)
    with pytest.raises(InputError, match="links within its folder only, found a, a link to /"):
        store.publish(model, {}, lambda: False)
