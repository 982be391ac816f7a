"""`pawlens ablate`, killed and started again."""

import json
import re

import pytest

COMBINATIONS = 8


@pytest.fixture
def arguments(pictures, tmp_path):
    settings = {
        "trainer.image_size": 32,
        "trainer.epochs": 1,
        "trainer.batch_size": 16,
        "trainer.model_args.batch_norm_momentum": 0.5,
    }
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    places = ("--workdir", tmp_path / "work", "--output", tmp_path / "out")
    return ["ablate", "mini_xception", "--data", pictures, *places, *sets]


def trained(output: str) -> set[int]:
    """Numbers of the combinations that were trained, not read."""
    number, found = 0, set()
    for line in output.splitlines():
        if heading := re.match(r"combination (\d) of 8: ", line):
            number = int(heading[1])
        elif line.startswith("epoch 1/1: "):
            found.add(number)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)  # several runs of a whole command
def test_an_ablation_compares_all_combinations(pawlens, arguments, tmp_path):
    running = pawlens.start(*arguments)
    running.wait_for(lambda: "combination 3 of 8: residual, separable" in running.output_so_far())
    killed = running.kill()
    assert killed.status != 0
    assert {1, 2} <= trained(killed.output) <= {1, 2, 3}
    assert not (tmp_path / "out").exists()

    ended = pawlens.call(*arguments)
    assert re.search(r"example_gen +cached", ended.output)
    assert trained(ended.output) | trained(killed.output) == set(range(1, COMBINATIONS + 1))
    assert not trained(ended.output) & {1, 2}

    comparison = json.loads((tmp_path / "out" / "ablation.json").read_text())
    rows = comparison["combinations"]
    assert len({tuple(row["switches"].values()) for row in rows}) == COMBINATIONS
    assert rows[0]["parameters"] == 721_857
    assert len({row["parameters"] for row in rows}) == COMBINATIONS
    assert all(row["failure"] == "" and row["best_epoch"] == 1 for row in rows)
    assert (tmp_path / "out" / "ablation.md").read_text().count("| yes |") >= COMBINATIONS // 2
    assert (tmp_path / "out" / "ablation.png").read_bytes().startswith(b"\x89PNG")
    assert "721,857" in ended.output
    # Nothing is left of the trainings but their records.
    kept = [path for path in (tmp_path / "work" / "state").rglob("*") if path.is_file()]
    assert len(kept) == COMBINATIONS
    assert sum(path.stat().st_size for path in kept) < 100_000
