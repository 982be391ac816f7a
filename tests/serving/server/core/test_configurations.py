"""Configurations and labels that change while versions are live; the servables do nothing."""

from pathlib import Path

import pytest
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.errors import InputError


def test_models_come_and_go(kit, make_core, loader, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    kit.version(one, 1)
    kit.version(two, 5)
    core = make_core(kit.config(a=(one, "latest 1", {})))
    core.reload(kit.config(a=(one, "latest 1", {}), b=(two, "latest 1", {})))
    assert core.models() == ["a", "b"]
    assert (kit.lent(core, name="a"), kit.lent(core, name="b")) == (1, 5)
    assert loader.tries == [("a", 1), ("b", 5)]  # what is there is not loaded again
    core.reload(kit.config(b=(two, "latest 1", {})))
    assert core.models() == ["b"]
    assert kit.refusal(lambda: kit.lent(core, name="a"))[0] == "NOT_FOUND"
    assert kit.states(core, "a") == {1: "END"}
    core.reload(kit.config(a=(one, "latest 1", {})))
    assert kit.lent(core, name="a") == 1


def test_another_base_path_is_another_model(kit, make_core, loader, tmp_path: Path) -> None:
    one, two, broken = tmp_path / "one", tmp_path / "two", tmp_path / "three"
    kit.version(one, 1, 2)
    kit.version(two, 1)
    kit.version(broken, 1, content=b"broken")
    core = make_core(kit.config(m=(one, "all", {})))
    core.reload(kit.config(m=(Path(f"{one}/."), "all", {})))
    assert loader.tries == [("m", 2), ("m", 1)]  # the same folder by another name
    core.reload(kit.config(m=(two, "all", {})))
    assert core.versions("m") == [1]
    with core.lease(kit.spec()) as servable:
        assert servable.folder == two / "1"
    assert kit.states(core) == {2: "END", 1: "AVAILABLE"}
    code, details = kit.refusal(lambda: core.reload(kit.config(m=(broken, "all", {}))))
    assert code == "UNKNOWN"
    assert "broken model" in details
    assert kit.lent(core) == 1


def test_a_refused_configuration_changes_nothing(kit, make_core, loader, tmp_path: Path) -> None:
    good, new, broken = tmp_path / "good", tmp_path / "new", tmp_path / "broken"
    kit.version(good, 1, 2)
    kit.version(new, 1)
    kit.version(broken, 1, content=b"broken")
    core = make_core(kit.config(a=(good, "specific 1", {})))
    refused = kit.config(a=(good, "all", {}), b=(new, "latest 1", {}), c=(broken, "latest 1", {}))
    code, details = kit.refusal(lambda: core.reload(refused))
    assert code == "UNKNOWN"
    assert "model c did not become available: version 1: broken model" in details
    assert core.models() == ["a"]
    assert core.versions("a") == [1]
    assert loader.open() == [("a", 1)]
    assert kit.refusal(lambda: kit.lent(core, name="b"))[0] == "NOT_FOUND"
    core.refresh()
    assert core.versions("a") == [1]


def test_what_is_told_of_a_configuration_may_refuse_it(kit, start, loader, base: Path) -> None:
    told = []

    def on_config(config: ModelServerConfig) -> None:
        told.append(len(config.model_config_list.config[0].version_labels))
        if len(told) == 2:
            raise InputError("sampling rate")

    core = start("latest 1", 1, 2, on_config=on_config)
    code, _ = kit.refusal(lambda: core.reload(kit.config(m=(base, "all", {"stable": 2}))))
    assert code == "INVALID_ARGUMENT"
    assert (told, loader.open()) == ([0, 1], [("m", 2)])


def test_an_empty_configuration_changes_nothing(kit, start, base: Path) -> None:
    core = start("latest 1", 1)
    core.reload(ModelServerConfig())
    assert core.models() == ["m"]
    core.reload(kit.config())  # a list of no models is not empty
    assert core.models() == []


def test_labels(kit, start, base: Path) -> None:
    core = start("all", 1, 2)
    core.reload(kit.config(m=(base, "all", {"stable": 1, "canary": 2})))
    assert (kit.lent(core, label="stable"), kit.lent(core, label="canary")) == (1, 2)
    assert [one.version for one in core.statuses(kit.spec(label="canary"))] == [2]
    core.reload(kit.config(m=(base, "all", {"stable": 2})))
    assert kit.lent(core, label="stable") == 2
    told = "Unrecognized servable version label: canary"
    assert kit.refusal(lambda: kit.lent(core, label="canary")) == ("INVALID_ARGUMENT", told)


@pytest.mark.parametrize("allowed", [False, True])
def test_labels_of_versions_that_are_not_live(kit, start, base: Path, allowed: bool) -> None:
    core = start("all", 1, allow_version_labels_for_unavailable_models=allowed)
    new = kit.config(m=(base, "all", {"canary": 9}))
    told = "Request to assign label to version 9 of model m, which is not currently available for"
    refusal = ("FAILED_PRECONDITION", f"{told} inference")
    if not allowed:
        assert kit.refusal(lambda: core.reload(new)) == refusal
        return
    core.reload(new)
    assert kit.refusal(lambda: kit.lent(core, label="canary"))[0] == "NOT_FOUND"
    core.reload(new)  # it stays where it is
    core.reload(kit.config(m=(base, "all", {"canary": 1})))
    # A label in use does not move to where nobody answers.
    assert kit.refusal(lambda: core.reload(new)) == refusal
    assert kit.lent(core, label="canary") == 1
