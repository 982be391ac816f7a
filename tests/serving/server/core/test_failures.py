"""Versions that do not load, are not whole, or are not there; the servables do nothing."""

from pathlib import Path

import pytest
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus


def test_a_version_that_does_not_load_leaves_the_others(kit, start, loader, base: Path) -> None:
    core = start("latest 2", 1, 2)
    kit.version(base, 3, content=b"broken")
    core.refresh()
    core.refresh()
    assert core.versions("m") == [1, 2]
    assert loader.tries.count(("m", 3)) == 1
    status = core.statuses(kit.spec(version=3))[0]
    assert ModelVersionStatus.State.Name(status.state) == "END"
    assert (status.status.error_code, status.status.error_message) == (2, "broken model")
    # Mended, it takes over, once nothing changes any more.
    kit.version(base, 3, content=b"mended")
    core.refresh()
    (base / "3" / "variables").touch()
    core.refresh()
    assert loader.tries.count(("m", 3)) == 1
    core.refresh()
    assert core.versions("m") == [2, 3]
    assert core.statuses(kit.spec(version=3))[0].status.error_message == ""


def test_a_specific_version_that_does_not_load_leaves_the_old_one(kit, start, base: Path) -> None:
    core = start("specific 1", 1)
    kit.version(base, 2, content=b"broken")
    core.reload(kit.config(m=(base, "specific 2", {})))
    assert core.versions("m") == [1]
    kit.version(base, 2, content=b"mended")
    core.refresh()
    core.refresh()
    assert core.versions("m") == [2]


def test_a_corrected_configuration_is_tried_at_once(kit, start, base: Path, tmp_path) -> None:
    core, other, third = start("", 1), tmp_path / "other", tmp_path / "third"
    kit.version(other, 1, content=b"broken")
    for _ in range(2):
        kit.refusal(lambda: core.reload(kit.config(m=(base, "", {}), n=(other, "", {}))))
    kit.version(third, 1)
    core.reload(kit.config(m=(base, "", {}), n=(third, "", {})))
    assert core.versions("n") == [1]
    # The same folder, once its files are mended.
    kit.refusal(lambda: core.reload(kit.config(n=(other, "", {}))))
    kit.version(other, 1, content=b"mended")
    core.reload(kit.config(n=(other, "", {})))
    assert core.versions("n") == [1]


@pytest.mark.parametrize(("times", "seconds", "tries"), [(0, 0.0, 1), (2, 0.0, 3), (5, 3600.0, 1)])
def test_retries(kit, start, loader, base: Path, *, times, seconds, tries) -> None:
    core = start(
        "latest 1", 1, max_num_load_retries=times, load_retry_interval_micros=int(seconds * 1e6)
    )
    kit.version(base, 2, content=b"broken")
    for _ in range(6):
        core.refresh()
    assert loader.tries.count(("m", 2)) == tries
    # Other files are another version: all tries again.
    (base / "2" / "more").touch()
    for _ in range(6):
        core.refresh()
    assert loader.tries.count(("m", 2)) == 2 * tries


def test_a_failure_is_forgotten_when_the_version_loads(kit, start, loader, base: Path) -> None:
    core = start("specific 1", 1, max_num_load_retries=1, load_retry_interval_micros=0)

    def fail() -> None:
        raise OSError("the disk is away for a moment")

    kit.version(base, 2)
    for _ in range(2):
        core.reload(kit.config(m=(base, "specific 1", {})))
        loader.before = fail
        core.reload(kit.config(m=(base, "all", {})))
        loader.before = lambda: None
        core.refresh()
        assert core.versions("m") == [1, 2]


def test_what_is_no_whole_version_is_passed_over(kit, start, base, caplog):
    core = start("latest 1", 1)
    (base / "2").mkdir()
    (base / "3").mkdir()
    (base / "3" / "variables").mkdir()
    kit.version(base / "tmp", 9)
    kit.version(base / "again", 1)
    (base / "again" / "1").rename(base / "001")  # of two, the last by name counts
    (base / "again").rmdir()
    (base / ".pushing-host-1").mkdir()  # a pusher's: nobody's business
    (base / "8").write_text("a file")
    (base / "99999999999999999999").mkdir()  # more than an int64
    core.refresh()
    core.refresh()
    assert core.versions("m") == [1]
    assert kit.states(core) == {1: "AVAILABLE", 2: "END", 3: "END"}
    status = core.statuses(kit.spec(version=2))[0].status
    assert (status.error_code, "saved_model.pb" in status.error_message) == (5, True)
    told = [record.getMessage() for record in caplog.records if "001" in record.getMessage()]
    assert len(told) == 1
    assert told[0].endswith(": 001, 99999999999999999999, tmp")
    # When the rest of it arrives, it is served; what is taken away is forgotten.
    kit.version(base, 3)
    (base / "2").rmdir()
    core.refresh()
    assert core.versions("m") == [3]
    assert kit.states(core) == {1: "END", 3: "AVAILABLE"}


def test_a_version_that_the_policy_names_and_nobody_pushed(kit, start, base: Path) -> None:
    core = start("specific 1 4", 1)
    assert kit.states(core) == {4: "END", 1: "AVAILABLE"}
    assert "no folder" in core.statuses(kit.spec(version=4))[0].status.error_message
    code, details = kit.refusal(lambda: core.reload(kit.config(m=(base, "specific 4", {}))))
    assert code == "UNKNOWN"
    assert "version 4: passed over" in details
    assert core.versions("m") == [1]
    kit.version(base, 4)
    core.refresh()
    assert core.versions("m") == [1, 4]


def test_an_error_between_two_loads_leaks_nothing(kit, start, loader, base: Path) -> None:
    core = start("specific 1", 1, 2)

    def interrupt() -> None:
        if loader.tries[-1] == ("m", 3):
            raise KeyboardInterrupt

    kit.version(base, 3, 4)
    loader.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        core.reload(kit.config(m=(base, "all", {})))
    assert loader.open() == [("m", 1)]
    assert core.versions("m") == [1]
