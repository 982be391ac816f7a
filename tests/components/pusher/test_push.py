import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.push_kill import Pusher, kill_pushes
from components.pusher.push import push_model
from serving.errors import FailedError
from serving.names import ASSETS_EXTRA, DIGEST_FILE
from serving.stores import VersionStore, open_store
from serving.stores.versions import model_digest

KILLS = 8


def _content(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _assert_whole(store: VersionStore, version: int, digest: str) -> None:
    assert store.digest(version) == digest
    with store.on_disk(version) as folder:
        assert model_digest(folder) == digest


def test_first_push(base, tmp_path, make_model):
    model = make_model(tmp_path / "model", 1)
    before = int(time.time())
    push = push_model(model, base, {"card.md": b"# Cats"})
    assert push.status == "pushed"
    assert before <= push.version <= time.time()
    assert push.path == f"{base}/{push.version}"
    assert push.digest == model_digest(model)
    store = open_store(base)
    assert store.versions() == [push.version]
    _assert_whole(store, push.version, push.digest)
    # All of it, what the digest leaves out too, and nothing but that, the digest and the card.
    expected = _content(model)
    expected[f"{ASSETS_EXTRA}/{DIGEST_FILE}"] = f"{push.digest}\n".encode()
    expected[f"{ASSETS_EXTRA}/card.md"] = b"# Cats"
    with store.on_disk(push.version) as folder:
        assert _content(folder) == expected
    assert not (model / ASSETS_EXTRA / DIGEST_FILE).exists()


def test_same_content_is_pushed_once_and_other_content_again(base, tmp_path, make_model):
    first = push_model(make_model(tmp_path / "a", 1), base)
    again = push_model(make_model(tmp_path / "copy", 1), base)
    assert again == first._replace(status="already served")
    second = push_model(make_model(tmp_path / "b", 2), base)
    assert second.status == "pushed"
    assert second.version > first.version
    # A roll-back by training: the old content is not the newest, so it is pushed again.
    third = push_model(tmp_path / "a", base)
    assert third.status == "pushed"
    assert open_store(base).versions() == [first.version, second.version, third.version]


PETS = ("cat", "dog")


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ((PETS, ("bird", "cat", "dog")), "1 new (bird)"),
        ((PETS, ("cat", "rabbit")), "1 new (rabbit), 1 gone (dog)"),
        ((PETS, ("dog", "cat")), "the same in another order, dog, cat in place of cat, dog"),
        ((PETS, (*PETS, *"fedcba")), "6 new (f, e, d, c, b, ...)"),
        ((PETS, PETS), ""),
        (((), PETS), ""),  # pushed by an older release, which told none
        ((PETS, ()), ""),
    ],
)
def test_other_classes_are_pushed_only_if_allowed(base, tmp_path, make_model, classes, told):
    served, new = classes
    first = push_model(make_model(tmp_path / "a", 1, classes=served), base)
    model = make_model(tmp_path / "b", 2, classes=new)
    push = push_model(model, base)
    assert (push.status == "pushed") == (not told)
    if told:
        assert push[:4] == (*first[:3], "classes changed")
        assert push.reason == f"other classes than served version {first.version} has: {told}"
        assert open_store(base).versions() == [first.version]
        assert push_model(model, base, allow_class_change=True).status == "pushed"


def test_no_model_is_no_push(base, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FailedError, match=r"there is no saved_model\.pb"):
        push_model(tmp_path / "empty", base)
    assert open_store(base).versions() == []


@pytest.fixture
def pushers(bucket: None) -> Iterator[list]:
    both = [Pusher(), Pusher()]
    yield both
    for pusher in both:
        pusher.kill()


PLACES = pytest.mark.parametrize("base", ["folder", "bucket"], indirect=True)


@PLACES
def test_two_pushers_at_once_never_share_a_version(base, tmp_path, make_model, pushers):
    store = open_store(base)
    digests: dict[int, str] = {}
    for turn in range(12):
        models = [make_model(tmp_path / f"{turn}-{who}", 2 * turn + who, 8) for who in (0, 1)]
        for pusher, model in zip(pushers, models, strict=True):
            pusher.tell(model, base)
        for pusher, model in zip(pushers, models, strict=True):
            version, pushed, _ = pusher.answer()
            assert pushed
            assert version not in digests
            digests[version] = model_digest(model)
    assert store.versions() == sorted(digests)
    for version, digest in digests.items():
        _assert_whole(store, version, digest)
    names = {path.name for path in Path(base.removeprefix("bucket://")).iterdir()}
    assert names == {str(version) for version in digests} | (
        {".push"} if base.startswith("bucket") else {".push.lock"}
    )


def test_two_pushers_of_one_model_push_it_once(tmp_path, make_model, pushers):
    model = make_model(tmp_path / "model", 1)
    for turn in range(20):
        base = str(tmp_path / f"base-{turn}")
        for pusher in pushers:
            pusher.tell(model, base)
        answers = [pusher.answer() for pusher in pushers]
        assert [pushed for _, pushed, _ in answers].count(True) == 1
        assert len({version for version, _, _ in answers}) == len(open_store(base).versions()) == 1


def test_a_version_is_whole_the_moment_it_appears(tmp_path, make_model: Callable[..., Path]):
    base = tmp_path / "base"
    model = make_model(tmp_path / "model", 5, 200, 100_000)  # 20 MB
    digest = model_digest(model)
    done = threading.Event()
    seen: list[str] = []

    def watch() -> None:
        while not done.is_set() and not seen:
            if base.is_dir():
                found = [path for path in base.iterdir() if path.name.isdigit()]
                seen.extend(model_digest(version) for version in found)

    watcher = threading.Thread(target=watch)
    watcher.start()
    push_model(model, base)
    watcher.join(10)
    done.set()
    watcher.join()
    assert seen == [digest]


@PLACES
def test_killed_at_any_moment(base, tmp_path):
    told = kill_pushes(base, tmp_path, KILLS)
    assert told["killed_before_the_end"] > 0  # otherwise no kill hit a push under way
    assert told["versions"] == 2 * KILLS - told["killed_before_the_end"]
