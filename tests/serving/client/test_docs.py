"""The examples of docs/client.md, run as they stand against a real server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[3] / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, gray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images that the examples name."""
    (tmp_path / "pets" / "old").mkdir(parents=True)
    for name, value in [("cat", 51), ("dog", 204), ("pets/1", 10), ("pets/old/1", 220)]:
        (tmp_path / f"{name}.jpg").write_bytes(gray(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


PYTHON = [code for language, code in BLOCKS if language == "python"]
PRINTED = [
    "cat 0.80\ndog 0.80\n",
    "dog (4, 4)\n",
    "pets/1.jpg cat\npets/old/1.jpg dog\n",
    "AVAILABLE cat\n0 cat\n1 dog\n",
    "3\n",
]


@pytest.mark.parametrize(("code", "printed"), zip(PYTHON, PRINTED, strict=True))
def test_python(server, code: str, printed: str, capsys) -> None:
    assert '"localhost:8500"' in code
    code = code.replace("localhost:8500", server.target).replace("version=1,", "version=3,")
    exec(compile(code, "docs/client.md", "exec"), {})
    assert capsys.readouterr().out == printed


def test_shell(server, folder: Path) -> None:
    (script,) = [code for language, code in BLOCKS if language == "sh"]
    target = f"--target {server.target}"
    script = re.sub(r"pawlens (predict|explain|segment)", rf"pawlens \1 {target}", script)
    script = script.replace("--model-version 1", "--model-version 3")
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len((folder / "rows.jsonl").read_text().splitlines()) == 2
    assert len((folder / "rows.csv").read_text().splitlines()) == 3
    assert (folder / "overlays" / "pets" / "old" / "1_overlay.png").exists()
    assert (folder / "masks" / "cat_mask.png").exists()
