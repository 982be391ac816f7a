import pytest

from pipelines.config import check_data_path, load_config, shipped_configs
from serving.errors import InputError, Mistakes


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configs_are_valid(name):
    config = load_config(name)
    assert config.name == name
    assert config.pusher.model_name == name


def test_set_and_data_override_the_file(tmp_path):
    sets = ["trainer.epochs=3", "trainer.learning_rate=1e-4", "trainer.model_args.residual=false"]
    sets.append("evaluator.slices=[image/label_name]")
    config = load_config("cats_vs_dogs", sets, data="with: colon")
    assert config.trainer.learning_rate == 1e-4
    assert config.trainer.epochs == 3
    assert config.trainer.model_args == {"residual": False}
    assert config.evaluator.slices == ["image/label_name"]
    assert config.data.path == "with: colon"


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("trainer.epoch=3", "trainer.epoch: unknown key; did you mean 'trainer.epochs'?"),
        ("trainer.epochs=many", "trainer.epochs: expected integer, found 'many'"),
        ("trainer.epochs=0", "trainer.epochs: expected 1 or more without weights, found 0"),
        ("task=image_clasification", "did you mean 'image_classification'?"),
        ("task=no_such.module:Task", "task: expected an import path"),
        ("data.layout=csw", "data.layout: expected one of auto, class_folders, flat_names, csv,"),
        ("trainer.model=mini_xeption", "found 'mini_xeption'; did you mean 'mini_xception'?"),
        ("trainer.model=xception_unet", "'xception_unet', which is for image_segmentation"),
        ("evaluator.thresholds={acuracy: {min: 1}}", "thresholds.acuracy: expected a metric of"),
        ("evaluator={thresholds: {}}", "evaluator.thresholds: expected at least one metric"),
        ("evaluator.metrics={m: foo}", "evaluator.metrics.m: expected an import path package"),
        ("evaluator.slices=[image/orientaton]", "did you mean 'image/orientation'?"),
        ("pusher.model_config_file=m.config", "pusher.model_config_file: expected pusher.live"),
        ("pusher.live_check={target: ':8500'}", "pusher.live_check.target"),
        ("beam.steps.pusher=[]", "beam.steps: expected one of example_gen, statistics_gen, "),
        ("kubeflow.steps.palete.cpu_limit=1", "kubeflow.steps: expected one of example_gen, "),
        ("steps.pusher.component=a:B", "steps.pusher: expected a name that no other step has"),
        ("steps.x.component=a.B", "steps.x.component: "),
        ("steps.x={component: 'a:B', inputs: {m: trainr.m}}", "x.inputs.m: expected one of "),
        (
            "steps.x={component: 'a:B', inputs: {m: pusher.pushed_model}, before_push: true}",
            "steps.x.inputs.m: expected one of ",
        ),
        (
            "tuner={epochs: 2, space: {optimizer: {ema: {mn: 0.1, max: 0.5}}}}",
            "optimizer.ema.mn: unknown key; did you mean 'tuner.space.optimizer.ema.min'?",
        ),
        ("steps.Bad.component=a:B", "steps.Bad: expected a text of the pattern '^[a-z]"),
        ("data.classes=[0, 1, 2]", "data.classes.0: expected string, found 0; a text such as yes"),
        ("data.classes=[yes, no]", "data.classes.0: expected string, found True; a text such as"),
        ("data.classes={1: a, 2: b}", "data.classes.1: expected string, found 1; a text such as"),
        ("data.classes={a: 1.5}", "data.classes.a: expected string or integer or list, found 1.5"),
        ("data.classes=3", "data.classes: expected list or dictionary, found 3"),
        (
            "trainer.model_args={a: [1]}",
            "trainer.model_args.a: expected boolean or integer or number or string, found [1]",
        ),
        ("data.classes={cat: 1, cat: 2}", "a YAML value, found {cat: 1, cat: 2} (the key 'cat' "),
        ("data.layout=[a]", "data.layout: expected string, found ['a']"),
        ("trainer.epochs", "--set trainer.epochs: expected key=value, like trainer.epochs=5"),
        ("name.x=1", "--set name.x: expected a section, found a value at 'name'"),
        ("evaluator.slices.2=a", "slices.2: expected one of the 2 elements, counted from 0, found"),
    ],
)
def test_mistakes_are_told_in_one_line(assignment, line):
    with pytest.raises(InputError) as error:
        load_config("cats_vs_dogs", [assignment])
    told = str(error.value)
    assert "\n" not in told
    assert told.startswith(("cats_vs_dogs.yaml: ", "--set "))
    assert line in told


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("example_gen.split=book_small", "example_gen.split: expected 'auto', 'hash' or 'given'"),
        ("converter.formats=[onnx]", "converter: expected nothing: it is for images"),
        ("evaluator.thresholds={mean_iou: {min: 0.5}}", "evaluator.thresholds.mean_iou: expected"),
        ("evaluator.slices=[image/label_name]", "evaluator.slices: expected"),
    ],
)
def test_what_is_for_images_is_refused_of_points(assignment, line):
    with pytest.raises(InputError) as error:
        load_config("linear_blobs", [assignment])
    assert str(error.value).startswith(f"linear_blobs.yaml: {line}")


def test_all_mistakes_are_told_at_once():
    with pytest.raises(Mistakes) as error:
        load_config("cats_vs_dogs", ["trainer.monitor=val_x", "evaluator.slices=[a]"])
    told = [line.split(": ")[1] for line in str(error.value).splitlines()]
    assert told == ["trainer.monitor", "evaluator.slices"]


def test_one_stage_is_set_by_its_number():
    before = load_config("cats_vs_dogs_book").trainer
    after = load_config("cats_vs_dogs_book", ["trainer.stages.1.epochs=3"]).trainer
    assert [stage.epochs for stage in after.trainings] == [65, 3, 27]
    assert after.stages[1].model_copy(update={"epochs": 16}) == before.stages[1]
    with pytest.raises(InputError, match=r"did you mean 'trainer.stages.image_size'"):
        load_config("cats_vs_dogs_book", ["trainer.stages.1.image_sise=64"])


def test_broken_yaml_names_the_file(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: [")
    with pytest.raises(InputError, match=r"broken\.yaml: expected valid YAML") as error:
        load_config(str(path))
    assert "\n" not in str(error.value)
    path.write_text("name: a\ndata:\n  path: b\n  path: c")
    with pytest.raises(InputError, match="'path' twice in the mapping that begins in line 3"):
        load_config(str(path))


def test_data_folder_must_be_told():
    with pytest.raises(InputError, match=r"data\.path is not set: .*--data DIR"):
        check_data_path(load_config("cats_vs_dogs"))
