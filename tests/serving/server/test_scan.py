"""What the server sees under a base path."""

from pathlib import Path

from serving.server.scan import scan


def test_versions_halves_and_strangers(tmp_path: Path) -> None:
    for name in ("3", "20", "7", "007", "tmp-4", ".pushing-host-1", ".push"):
        (tmp_path / name).mkdir()
    for whole in ("3", "20", "007"):
        (tmp_path / whole / "saved_model.pb").touch()
    (tmp_path / "9").touch()
    found = scan(tmp_path)
    assert found.whole == (3, 20)
    assert found.partial == (7,)
    assert found.strangers == ("007", "tmp-4")  # hidden names are a pusher's, nobody's business
