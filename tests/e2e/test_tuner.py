"""A pipeline with a tuner: killed in the search, started again, and the choice in the training."""

import json
import re
from pathlib import Path

import pytest

TRIALS = 2
TUNER = {
    "trainer.epochs": "1",
    "tuner.trials": str(TRIALS),
    "tuner.epochs": "1",
    "tuner.space.learning_rate": "{min: 1e-4, max: 1e-2, log: true}",
    "tuner.space.augmentation.flip": "{values: [true, false]}",
}


def read_artifact(workdir: Path, step: str, key: str, name: str) -> dict | list:
    (path,) = (workdir / "artifacts" / step / key).rglob(name)
    return json.loads(path.read_text())


def trials_in(output: str) -> dict[int, str]:
    """Number -> values of the trials that were begun."""
    found = re.findall(r"^trial (\d) of at most \d: (augmentation.*)\n", output, re.MULTILINE)
    return {int(number): values for number, values in found}


@pytest.mark.slow
@pytest.mark.timeout(1200)  # several runs of a whole command
def test_what_the_tuner_finds_is_what_is_trained(pawlens, pictures, run_arguments, tmp_path):
    workdir = tmp_path / "work"
    arguments = run_arguments(pictures, workdir, sets=TUNER)
    running = pawlens.start(*arguments)
    # The second trial has begun, so the first is done.
    running.wait_for(lambda: len(trials_in(running.output_so_far())) == 2)
    killed = running.kill()
    assert not (workdir / "summary.json").exists()

    ended = pawlens.call(*arguments)
    # The same trials; the first one is read, as no epoch stands between it and its result.
    assert len(trials_in(ended.output)) == TRIALS
    assert trials_in(killed.output).items() <= trials_in(ended.output).items()
    assert re.search(r"^trial 1 of .*\ntrial 1 of .* in epoch 1$", ended.output, re.MULTILINE)

    results = read_artifact(workdir, "tuner", "tuner_results", "tuner_results.json")
    assert len(results) == TRIALS
    best = min(results, key=lambda result: result["score"])
    chosen = {key: best[key] for key in ("learning_rate", "augmentation.flip")}
    history = read_artifact(workdir, "trainer", "model_run", "history.json")
    assert history["hyperparameters"] == chosen
    # The trial and the training are the same one: an epoch with the same seed and values.
    assert history["epochs"][0]["val_loss"] == pytest.approx(best["score"], rel=1e-4)
    summary = json.loads((workdir / "summary.json").read_text())
    assert list(summary["steps"]).index("tuner") < list(summary["steps"]).index("trainer")
