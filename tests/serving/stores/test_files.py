"""Files in a folder where somebody else planted links: what these lead to stays as it is."""

import os

import pytest

from serving.errors import InputError
from serving.stores.files import check_links, open_own, write_whole


@pytest.fixture
def victim(tmp_path):
    """A file that must keep its content."""
    file = tmp_path / "victim"
    file.write_text("precious")
    yield file
    assert file.read_text() == "precious"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


PLANTS = {
    "link": (lambda path, victim: path.symlink_to(victim), "found a link to "),
    "dangling": (lambda path, _: path.symlink_to("nowhere"), "found a link to nowhere"),
    "second name": (lambda path, victim: path.hardlink_to(victim), "found one with several names"),
    "pipe": (lambda path, _: os.mkfifo(path), "found none"),
}


@pytest.fixture(params=PLANTS.values(), ids=PLANTS)
def plant(request):
    return request.param


def test_a_lock_follows_nothing_that_was_planted(folder, victim, plant):
    make, told = plant
    make(folder / "a.lock", victim)
    with pytest.raises(InputError, match=rf"a\.lock: expected a plain file.*{told}.*; remove it"):
        open_own(folder / "a.lock")
    assert not (folder / "nowhere").exists()


def test_a_lock_is_made_and_found_again(folder):
    os.close(open_own(folder / "a.lock"))
    os.close(open_own(folder / "a.lock"))
    assert [path.name for path in folder.iterdir()] == ["a.lock"]


def test_a_file_takes_the_place_of_a_link_and_leaves_its_target(folder, victim, plant):
    make, _ = plant
    make(folder / "a.json", victim)
    write_whole(folder / "a.json", b"new")
    assert (folder / "a.json").read_bytes() == b"new"
    assert not (folder / "a.json").is_symlink()
    assert [path.name for path in folder.iterdir()] == ["a.json"]


def test_a_drafts_name_is_not_known_before(folder, victim, monkeypatch):
    names = []
    replace = type(folder).replace

    def watch(draft, path):
        names.append(draft.name)
        return replace(draft, path)

    monkeypatch.setattr(type(folder), "replace", watch)
    (folder / f".a.json.{os.getpid()}").symlink_to(victim)
    write_whole(folder / "a.json", b"1")
    write_whole(folder / "a.json", b"2")
    assert len(set(names)) == 2
    # And if it were, the first to make the file is who writes it.
    monkeypatch.setattr("serving.stores.files.secrets.token_hex", lambda _: "known")
    (folder / ".a.json.known").symlink_to(victim)
    with pytest.raises(InputError, match=r"a\.json: expected a file to write, found File exists"):
        write_whole(folder / "a.json", b"3")
    assert (folder / "a.json").read_bytes() == b"2"


def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(folder):
    mask = os.umask(0o027)
    try:
        write_whole(folder / "a", b"")
    finally:
        os.umask(mask)
    assert (folder / "a").stat().st_mode & 0o777 == 0o640
    (folder / "a").chmod(0o604)
    write_whole(folder / "a", b"new")
    assert (folder / "a").stat().st_mode & 0o777 == 0o604


@pytest.mark.parametrize("out", ["/etc/hostname", "../victim", "..", "inside/../../victim"])
def test_a_link_out_of_a_model_is_told(folder, victim, out):
    (folder / "variables").mkdir()
    (folder / "variables" / "data").symlink_to(out if out.startswith("/") else f"../{out}")
    with pytest.raises(InputError, match="only, found variables/data, a link to /"):
        check_links(folder)


def test_a_chain_of_links_is_followed_to_its_end(folder, victim):
    (folder / "second").symlink_to(victim)
    (folder / "first").symlink_to("second")
    with pytest.raises(InputError, match=f"found first, a link to {victim}"):
        check_links(folder)


def test_links_within_a_model_are_fine(folder, tmp_path):
    (folder / "variables").mkdir()
    (folder / "variables" / "data").write_text("weights")
    (folder / "relative").symlink_to("variables/data")
    (folder / "absolute").symlink_to(folder / "variables")
    (folder / "circle").symlink_to("circle")  # the copy tells what is wrong with it
    check_links(folder)
    (tmp_path / "by-link").symlink_to(folder)
    check_links(tmp_path / "by-link")
