"""The command itself, each time in a process of its own."""

from pathlib import Path

import pytest

from pipelines.config import load_config

SCHEMA = Path(__file__).parents[2] / "docs" / "config.schema.json"


@pytest.mark.parametrize(
    ("words", "commands"),
    [
        ((), "run init data config serve predict explain segment kubeflow"),
        (("kubeflow",), "compile submit schedule schedules"),
        (("kubeflow", "schedules"), "list pause resume delete"),
    ],
)
def test_help_lists_the_commands(pawlens, words, commands):
    result = pawlens(*words, "--help")
    for command in commands.split():
        assert f" {command} " in result.output


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "cats_vs_dog"], "found 'cats_vs_dog'; did you mean 'cats_vs_dogs'?\n"),
        (
            ["kubeflow", "submit", "linear_blobs", "--host", "http://127.0.0.1:1"],
            "pass --host http://localhost:8080\n",
        ),
        (["kubeflow", "compile", "linear_blobs", "-o", "no/such/folder.yaml"], "found none\n"),
        (["predict", "missing.jpg"], "missing.jpg"),
        (["rollback", "pets", "--serving-root", "nowhere"], "with versions in nowhere, found no"),
        (["label", "pet", "new", "7", "--model-config-file", "no.config"], "no.config: no model"),
        (["run", "linear_blobs", "--data", ".", "--workdir", "a*?[b]"], "found *?[; pass another"),
        (["serve", "--model_base_path", "missing"], "missing"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(pawlens, arguments, line):
    result = pawlens(*arguments, status=2)
    assert result.output == ""
    assert result.errors.startswith("pawlens: ")
    assert result.errors.count("\n") == 1
    assert line in result.errors


def test_nothing_is_made_where_the_input_is_wrong(pawlens, tmp_path):
    places = ("--data", tmp_path / "missing", "--workdir", tmp_path / "work")
    result = pawlens("run", "cats_vs_dogs", *places, status=2)
    assert result.errors.startswith("pawlens: data.path: expected an existing folder, found '")
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_is_a_line_of_its_own(pawlens):
    sets = ("--set", "trainer.epoch=1", "--set", "evaluator.min_slice_size=0")
    result = pawlens("run", "cats_vs_dogs", "--data", ".", *sets, status=2)
    first, second = result.errors.splitlines()
    assert first.startswith("pawlens: cats_vs_dogs.yaml: trainer.epoch: unknown key")
    assert second.startswith("pawlens: cats_vs_dogs.yaml: evaluator.min_slice_size: expected")


@pytest.mark.parametrize(
    ("layout", "count", "classes"), [("class_folders", 12, 5), ("masks", 6, 2), ("points", 10, 2)]
)
def test_drawn_data_is_counted_and_gets_a_configuration(pawlens, tmp_path, layout, count, classes):
    folder = tmp_path / "mine"
    options = ("--layout", layout, "--count", count, "--classes", classes)
    made = pawlens("data", "synth", folder, *options)
    assert made.output == f"{count} {'points' if layout == 'points' else 'images'} in {folder}\n"
    checked = pawlens("data", "check", folder)
    assert layout in checked.output
    assert str(count) in checked.output
    started = pawlens("init", folder, "--output", tmp_path / "mine.yaml")
    assert str(tmp_path / "mine.yaml") in started.output
    first = (tmp_path / "mine.yaml").read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA}"
    config = load_config(str(tmp_path / "mine.yaml"))
    assert config.data.layout in (layout, "", "auto")
    # What somebody may have edited stays.
    pawlens("init", folder, "--output", tmp_path / "mine.yaml", status=2)


def test_a_configuration_is_written_whole_or_not_at_all(pawlens, tmp_path):
    folder = tmp_path / "mine"
    pawlens("data", "synth", folder, "--count", 4)
    nowhere = pawlens("init", folder, "--output", tmp_path / "no" / "x.yaml", status=2)
    folder = folder.rename(tmp_path / "m\udce9")
    unprintable = pawlens("init", folder, "--output", tmp_path / "x.yaml", status=2)
    for result, line in ((nowhere, "No such file"), (unprintable, "expected a name in UTF-8")):
        assert result.errors.count("\n") == 1
        assert line in result.errors
    assert list(tmp_path.iterdir()) == [folder]
