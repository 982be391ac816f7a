"""The wiring of the optional steps; the way through all steps is tested in tests/e2e."""

import json

import pytest

from pipelines import pipeline as wiring
from pipelines.config import load_config
from pipelines.local import serving_root
from pipelines.source_digest import reached_files
from pipelines.step_sources import step_sources, training_sources
from pipelines.workdir import WorkDir
from serving.errors import InputError

SPACE = "tuner.space.learning_rate={min: 1e-4, max: 1e-2, log: true}"
TUNER = ["tuner.trials=3", "tuner.epochs=2", SPACE]


@pytest.fixture
def steps_of(tmp_path):
    """steps_of(*sets): name -> step, in order."""

    def build_steps(*sets, build=wiring.build_pipeline):
        places = wiring.Places(tmp_path, str(tmp_path / "artifacts"), tmp_path / "serving", "state")
        pipeline = build(load_config("cats_vs_dogs", list(sets)), places)
        return {step.id: step for step in pipeline.components}

    return build_steps


def test_the_tuner_hands_its_choice_to_the_trainer(steps_of):
    steps = steps_of(*TUNER)
    names = list(steps)
    assert names.index("data_validation") < names.index("tuner") < names.index("trainer")
    chosen = steps["tuner"].outputs["best_hyperparameters"]
    assert steps["trainer"].inputs["hyperparameters"] is chosen
    # Nothing is searched in data that was not found valid.
    for step in ("tuner", "trainer"):
        assert steps["data_validation"] in steps[step].upstream_nodes
    assert not steps["tuner"].exec_properties.get("module_file")


def test_the_length_of_the_training_is_none_of_the_tuners_business(steps_of):
    """So a longer training does not search again."""
    one, other, another = (
        steps_of(*TUNER, f"trainer.{changed}")["tuner"].exec_properties["custom_config"]
        for changed in ("epochs=5", "epochs=50", "batch_size=7")
    )
    assert one == other != another


def reached(sources):
    return set(reached_files([], sources))


def test_what_the_configuration_names_counts_where_it_is_used():
    metrics = "evaluator.metrics={one: 'mine.first:A', two: {path: 'mine.second:B'}}"
    sources = step_sources(load_config("cats_vs_dogs", [*TUNER, metrics]))
    assert sources["evaluator"][-2:] == ("mine.first", "mine.second")
    report = "components/tasks/image_classification/report.py"
    assert [step for step in sources if report in reached(sources[step])] == ["interpreter"]
    reader = "components/datasets/layouts/class_folders.py"
    assert reader in reached(sources["example_gen"])
    assert "serving/server/servable.py" in reached(sources["infra_validator"])
    assert "components/tuner/run.py" in reached(sources["tuner"])
    assert "components/tuner/run.py" not in reached(sources["trainer"])
    for step in ("tuner", "trainer"):
        assert "components/models/convnets.py" in reached(sources[step])
        assert "components/trainer/fit/loop.py" in reached(sources[step])


def test_a_half_done_training_depends_neither_on_export_nor_on_the_step():
    files = reached(training_sources(load_config("cats_vs_dogs")))
    assert "components/models/convnets.py" in files
    assert "components/trainer/fit/loop.py" in files
    assert not [one for one in files if "/export" in one]
    assert "components/trainer/component.py" not in files


def test_what_cannot_be_converted_as_asked_is_not_pushed(steps_of):
    steps = steps_of("converter.formats=[onnx]", "converter.images=9")
    converter = steps["converter"]
    assert converter.inputs["model_run"] is steps["trainer"].outputs["model_run"]
    assert json.loads(converter.exec_properties["config"])["images"] == 9
    assert converter in steps["pusher"].upstream_nodes


def test_the_card_is_told_what_made_the_model(steps_of):
    steps = steps_of("trainer.seed=99", "beam.args=[]")
    recipe = json.loads(steps["interpreter"].exec_properties["recipe"])
    assert recipe["config"]["trainer"]["seed"] == 99
    assert recipe["config"]["task"] == "image_classification"
    assert recipe["config"]["data"]["classes"] == ["cat", "dog"]
    assert "path" not in recipe["config"]["data"]
    # Where it runs and where it goes is none of the model's business.
    assert not {"beam", "pusher", "interpreter"} & set(recipe["config"])
    assert len(recipe["code_sha256"]) == 64
    assert set(recipe["versions"]) == {"pawlens", "tfx"}


STEP = "steps.more={component: 'tfx.components.statistics_gen.component:StatisticsGen', "


def test_a_step_from_outside_follows_what_it_reads_and_the_pusher_may_wait(steps_of):
    steps = steps_of(
        STEP + "inputs: {examples: example_gen.examples}, before_push: true, beam: true}",
        "beam.steps.more=['--direct_num_workers=3']",
    )
    more = steps["more"]
    assert more.inputs["examples"] is steps["example_gen"].outputs["examples"]
    assert more in steps["pusher"].upstream_nodes
    assert "--direct_num_workers=3" in more.executor_spec.beam_pipeline_args


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ("inputs: {examples: example_gen.exampels}}", "did you mean 'examples'?"),
        ("inputs: {examples: tuner.best}}", "steps.more.inputs.examples: step: expected one of"),
        ("arguments: {colors: 3}}", "steps.more: expected a component that takes these inputs"),
    ],
)
def test_a_step_that_cannot_be_made_is_one_line(steps_of, step, line):
    with pytest.raises(InputError) as error:
        steps_of(STEP + step)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_ingest_alone_ends_with_valid_data(steps_of):
    whole = list(steps_of())
    assert list(steps_of(build=wiring.build_ingest)) == whole[: whole.index("data_validation") + 1]


def test_a_url_stays_a_url_and_a_path_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workdir = WorkDir(tmp_path / "work")

    def root(value: str) -> str:
        return serving_root(load_config("cats_vs_dogs", [f"pusher.serving_root={value}"]), workdir)

    assert root("s3://models/pets") == "s3://models/pets"
    assert root("models") == str(tmp_path / "models")
    assert root("''") == str(tmp_path / "work" / "serving")

    config = load_config("cats_vs_dogs", ["pusher.live_check={target: 'localhost:8500'}"])
    places = wiring.Places(tmp_path, str(tmp_path / "artifacts"), "s3://models/pets")
    steps = {step.id: step for step in wiring.build_pipeline(config, places).components}
    where = "s3://models/pets/cats_vs_dogs"
    assert steps["pusher"].exec_properties["base_directory"] == where
    assert steps["baseline"].exec_properties["model_base_path"] == where
    assert {"report", "examples"} <= set(steps["pusher"].inputs)
