"""The example of a pipeline of one's own: it runs, and it is short."""

from pathlib import Path

import pytest

from components.datasets.synth import synthesize

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_pipeline.py"


@pytest.mark.slow
def test_it_ingests_trains_evaluates_and_pushes(zygote, tmp_path):
    assert len(EXAMPLE.read_text().splitlines()) <= 25
    synthesize(tmp_path / "data", "class_folders", 60, seed=2, size=(40, 36))
    zygote.call(EXAMPLE, tmp_path / "data", tmp_path / "work")
    [version] = (tmp_path / "work" / "serving" / "own").glob("[0-9]*")
    assert (version / "saved_model.pb").is_file()
