"""The wiring of the optional steps; the way through all steps is tested in tests/e2e."""

import json
from pathlib import Path

import pytest

from components.tuner.settings import TunerConfig
from pipelines.config import load_config
from pipelines.source_digest import ROOT, reached_files

TUNER = [
    "tuner.trials=3",
    "tuner.epochs=2",
    "tuner.space.learning_rate={min: 1e-4, max: 1e-2, log: true}",
]


@pytest.fixture(scope="module")
def wiring():
    from pipelines import pipeline

    return pipeline


@pytest.fixture
def steps_of(wiring, tmp_path):
    """steps_of(build, *sets): name -> step, in order."""

    def build_steps(build, *sets):
        places = wiring.Places(tmp_path, str(tmp_path / "artifacts"), tmp_path / "serving", "state")
        pipeline = build(load_config("cats_vs_dogs", list(sets)), places)
        return {step.id: step for step in pipeline.components}

    return build_steps


def test_without_its_section_there_is_no_tuner(wiring, steps_of):
    steps = steps_of(wiring.build_pipeline)
    assert "tuner" not in steps
    assert "hyperparameters" not in steps["trainer"].inputs


def test_the_tuner_hands_its_choice_to_the_trainer(wiring, steps_of):
    steps = steps_of(wiring.build_pipeline, *TUNER)
    names = list(steps)
    assert names.index("data_validation") < names.index("tuner") < names.index("trainer")
    chosen = steps["tuner"].outputs["best_hyperparameters"]
    assert steps["trainer"].inputs["hyperparameters"] is chosen
    # Nothing is searched in data that was not found valid.
    for step in ("tuner", "trainer"):
        assert steps["data_validation"] in steps[step].upstream_nodes
    assert not steps["tuner"].exec_properties.get("module_file")


def test_the_length_of_the_training_is_none_of_the_tuners_business(wiring, steps_of):
    """So a longer training does not search again."""
    one, other = (
        steps_of(wiring.build_pipeline, *TUNER, f"trainer.epochs={epochs}")["tuner"]
        for epochs in (5, 50)
    )
    assert one.exec_properties["custom_config"] == other.exec_properties["custom_config"]
    another = steps_of(wiring.build_pipeline, *TUNER, "trainer.batch_size=7")["tuner"]
    assert one.exec_properties["custom_config"] != another.exec_properties["custom_config"]


def test_the_tuners_code_counts_for_its_cache(wiring):
    files = {path.relative_to(ROOT) for path in reached_files(wiring.EXTRA_SOURCES["tuner"])}
    assert {
        Path("components/tuner/run.py"),
        Path("components/tuner/search.py"),
        Path("components/trainer/fit/trial.py"),
        Path("components/trainer/fit/phases.py"),
    } <= files
    trainers = {path.relative_to(ROOT) for path in reached_files(wiring.EXTRA_SOURCES["trainer"])}
    assert Path("components/tuner/run.py") not in trainers


def test_without_its_section_there_is_no_converter(wiring, steps_of):
    assert "converter" not in steps_of(wiring.build_pipeline)


def test_what_cannot_be_converted_as_asked_is_not_pushed(wiring, steps_of):
    steps = steps_of(wiring.build_pipeline, "converter.formats=[onnx]", "converter.pictures=9")
    converter = steps["converter"]
    assert converter.inputs["model_run"] is steps["trainer"].outputs["model_run"]
    assert json.loads(converter.exec_properties["settings"])["pictures"] == 9
    assert converter in steps["pusher"].upstream_nodes


def test_the_card_is_told_what_made_the_model(wiring, steps_of):
    steps = steps_of(wiring.build_pipeline, "trainer.seed=99", "beam.args=[]")
    recipe = json.loads(steps["interpreter"].exec_properties["recipe"])
    assert recipe["config"]["trainer"]["seed"] == 99
    assert recipe["config"]["data"] == {"layout": "cats_dogs"}
    # Where it runs and where it goes is none of the model's business.
    assert not {"beam", "pusher", "interpreter"} & set(recipe["config"])
    assert len(recipe["code_sha256"]) == 64
    assert set(recipe["versions"]) == {"pawlens", "tfx"}


def test_ingest_alone_ends_with_valid_data(wiring, steps_of):
    whole = list(steps_of(wiring.build_pipeline))
    assert list(steps_of(wiring.build_ingest)) == whole[: whole.index("data_validation") + 1]


@pytest.mark.parametrize(
    ("sets", "line"),
    [
        (
            ["tuner.space.learning_rte={min: 1, max: 2}"],
            "cats_vs_dogs.yaml: tuner.space.learning_rte: unknown key; "
            "did you mean 'learning_rate'?",
        ),
        (
            ["tuner.space.optimizer.ema={mn: 0.1, max: 0.5}"],
            "cats_vs_dogs.yaml: tuner.space.optimizer.ema.mn: unknown key; "
            "did you mean 'tuner.space.optimizer.ema.min'?",
        ),
        (
            ["tuner.trial=3", "tuner.space.batch_size={min: 1, max: 2}"],
            "cats_vs_dogs.yaml: tuner.trial: unknown key; did you mean 'tuner.trials'?",
        ),
        (
            ["tuner.algorithm=grid", "tuner.space.batch_size={min: 1, max: 2}"],
            "cats_vs_dogs.yaml: tuner.algorithm: expected 'random' or 'bayesian', found 'grid'",
        ),
    ],
)
def test_a_bad_section_is_told_at_the_door(sets, line):
    from serving.errors import InputError

    with pytest.raises(InputError) as error:
        load_config("cats_vs_dogs", ["tuner.epochs=2", *sets])
    assert str(error.value) == line


def test_the_section_is_read():
    tuner = load_config("cats_vs_dogs", TUNER).tuner
    assert isinstance(tuner, TunerConfig)
    assert tuner.space["learning_rate"].corners == [1e-4, 1e-2]
