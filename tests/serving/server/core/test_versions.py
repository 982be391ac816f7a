"""Which versions are live while folders change; the servables do nothing."""

import threading
from pathlib import Path

import pytest

from serving.server.faults import Fault


@pytest.mark.parametrize(
    ("policy", "live"),
    [
        ("", [7]),
        ("latest 0", [7]),
        ("latest 1", [7]),
        ("latest 2", [5, 7]),
        ("latest 9", [2, 5, 7]),
        ("all", [2, 5, 7]),
        ("specific 5 2", [2, 5]),
        ("specific 5 8", [5]),
    ],
)
def test_policies(kit, start, base: Path, policy: str, live: list[int]) -> None:
    core = start(policy, 2, 5, 7)
    assert core.versions("m") == live
    assert kit.lent(core) == live[-1]
    for version in (2, 5, 7):
        if version in live:
            assert kit.lent(core, version=version) == version
        else:
            told = f"Servable not found for request: Specific(m, {version})"
            refusal = kit.refusal(lambda: kit.lent(core, version=version))  # noqa: B023 - called here
            assert refusal == ("NOT_FOUND", told)


def test_a_folder_like_in_tensorflow_servings_examples(kit, make_core, base: Path) -> None:
    kit.version(base, 123)
    (base / "123").rename(base / "00000123")
    core = make_core(kit.config(m=(base, "", {})))
    with core.lease(kit.spec(version=123)) as servable:
        assert servable.folder == base / "00000123"
    assert kit.states(core) == {123: "AVAILABLE"}


def test_a_new_version_is_loaded_before_the_old_one_goes(kit, start, loader, base: Path) -> None:
    core = start("latest 1", 1)
    kit.version(base, 2)
    seen = []

    def while_loading() -> None:
        states = kit.states(core)
        seen.append((states, kit.lent(core), loader.open()))

    loader.before = while_loading
    core.refresh()
    assert seen == [({2: "LOADING", 1: "AVAILABLE"}, 1, [("m", 1)])]
    assert loader.open() == [("m", 2)]
    assert kit.states(core) == {2: "AVAILABLE", 1: "END"}


def test_a_version_in_use_is_not_unloaded(kit, start, base: Path) -> None:
    core = start("latest 1", 1)
    with core.lease(kit.spec()) as first:
        kit.version(base, 2)
        core.refresh()
        assert kit.states(core) == {1: "UNLOADING", 2: "AVAILABLE"}
        assert not first.closed
        assert kit.refusal(lambda: kit.lent(core, version=1))[0] == "NOT_FOUND"
        with core.lease(kit.spec()) as second:
            assert second.version == 2
        assert core.busy() == 1
    assert first.closed
    assert not second.closed
    assert kit.states(core) == {1: "END", 2: "AVAILABLE"}
    core.close()
    assert second.closed
    told = "Servable not found for request: Latest(m)"
    assert kit.refusal(lambda: kit.lent(core)) == ("NOT_FOUND", told)


def test_folders_that_are_taken_away(kit, start, base: Path) -> None:
    core = start("latest 1", 1, 2)
    kit.remove(base, 2)
    core.refresh()
    assert core.versions("m") == [1]
    base.rename(base.with_name("away"))  # a base path that cannot be read changes nothing
    core.refresh()
    assert kit.lent(core) == 1
    base.with_name("away").rename(base)
    kit.remove(base, 1)
    core.refresh()
    assert core.versions("m") == []
    assert kit.refusal(lambda: kit.lent(core))[0] == "NOT_FOUND"


def test_switching_under_load_loses_no_request(kit, start, loader, base: Path) -> None:
    core = start("latest 1", 1)
    end = threading.Event()
    wrong: list[str] = []
    counts = [0] * 8

    def ask(index: int) -> None:
        while not end.is_set():
            try:
                with core.lease(kit.spec()) as servable:
                    if servable.closed:
                        wrong.append("closed while in use")
                    counts[index] += 1
            except Fault as fault:
                wrong.append(fault.details)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(counts))]
    for thread in threads:
        thread.start()
    for version in range(2, 30):
        kit.version(base, version)
        kit.remove(base, version - 1)
        core.refresh()
    end.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert min(counts) > 0
    assert loader.open() == [("m", 29)]
