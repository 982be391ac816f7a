"""The command itself, each time in a process of its own."""

import json
import subprocess
import sys

import pytest

HEAVY = (
    "kfp",
    "kfp_server_api",
    "tensorflow",
    "tfx",
    "keras",
    "apache_beam",
    "numpy",
    "grpc",
    "matplotlib",
)


def pawlens(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_lists_the_commands():
    result = pawlens("--help")
    assert result.returncode == 0
    for command in ("run", "data", "serve", "predict", "explain", "segment"):
        assert command in result.stdout


def test_help_imports_nothing_heavy():
    code = f"""
import sys
from pipelines.cli import main
sys.argv = ["pawlens", "--help"]
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["run", "cats_vs_dog"],
            "pawlens: config 'cats_vs_dog': expected a YAML file or one of cats_vs_dogs, "
            "cats_vs_dogs_book, linear_blobs, pets_segmentation, found neither; "
            "did you mean 'cats_vs_dogs'?",
        ),
        (
            ["run", "cats_vs_dogs", "--data", "missing"],
            "pawlens: data.path: expected an existing folder, found 'missing', which does not "
            "exist; pass --data DIR (pawlens data synth makes one)",
        ),
        (
            ["run", "cats_vs_dogs", "--data", ".", "--set", "trainer.epoch=1"],
            "pawlens: cats_vs_dogs.yaml: trainer.epoch: unknown key; "
            "did you mean 'trainer.epochs'?",
        ),
        (
            ["predict", "missing.jpg"],
            "missing.jpg",
        ),
        (
            ["serve", "--model_base_path", "missing"],
            "missing",
        ),
        (
            ["serve", "--no_such_flag", "--model_base_path", "."],
            "--no_such_flag",
        ),
    ],
)
def test_wrong_input_is_one_line_and_status_2(arguments, line):
    result = pawlens(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert line in result.stderr


def test_nothing_is_made_where_the_input_is_wrong(tmp_path):
    pawlens("run", "cats_vs_dogs", "--data", tmp_path / "missing", "--workdir", tmp_path / "work")
    assert list(tmp_path.iterdir()) == []


def test_synth_and_check(tmp_path):
    made = pawlens("data", "synth", tmp_path / "pets", "--layout", "pets", "--count", 6)
    assert made.returncode == 0, made.stderr
    assert "6 pictures" in made.stdout
    checked = pawlens("data", "check", tmp_path / "pets", "--layout", "pets")
    assert '"found": 6' in checked.stdout


def test_points_are_made_and_counted(tmp_path):
    made = pawlens("data", "synth", tmp_path / "blobs", "--layout", "blobs", "--count", 10)
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"10 points in {tmp_path / 'blobs'}\n"
    checked = json.loads(pawlens("data", "check", tmp_path / "blobs", "--layout", "blobs").stdout)
    assert (checked["found"], checked["usable"]) == (10, 10)
    assert checked["classes"] == {"negative": 5, "positive": 5}


def test_unreachable_server_says_how_to_start_one(tmp_path):
    pawlens("data", "synth", tmp_path / "cats", "--count", 2)
    result = pawlens("predict", tmp_path / "cats" / "Cat" / "0.jpg", "--target", "127.0.0.1:9")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "127.0.0.1:9" in result.stderr
    assert "pawlens serve" in result.stderr
