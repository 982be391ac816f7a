import pytest
import yaml

from components.models import MODEL_NAMES
from pipelines.config import check_data_path, load_config, shipped_configs
from serving.errors import InputError


@pytest.mark.parametrize("name", shipped_configs())
def test_shipped_configs_are_valid(name):
    config = load_config(name)
    assert config.name == name
    assert config.pusher.model_name == name


def test_set_and_data_override_the_file(tmp_path):
    config = load_config(
        "cats_vs_dogs",
        [
            "trainer.epochs=3",
            "trainer.learning_rate=1e-4",
            "trainer.model_args.residual=false",
            "evaluator.slices=[image/label_name]",
        ],
        data="with: colon",
    )
    assert config.trainer.learning_rate == 1e-4
    assert config.trainer.epochs == 3
    assert config.trainer.model_args == {"residual": False}
    assert config.evaluator.slices == ["image/label_name"]
    assert config.data.path == "with: colon"


def test_config_by_path(tmp_path):
    tree = load_config("cats_vs_dogs").model_dump()
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tree | {"name": "mine"}))
    assert load_config(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        (
            "trainer.epoch=3",
            "cats_vs_dogs.yaml: trainer.epoch: unknown key; did you mean 'trainer.epochs'?",
        ),
        (
            "triner.epochs=3",
            "cats_vs_dogs.yaml: triner: unknown key; did you mean 'trainer'?",
        ),
        (
            "evaluator.thresholds.accuracy.mn=1",
            "cats_vs_dogs.yaml: evaluator.thresholds.accuracy.mn: unknown key; "
            "did you mean 'evaluator.thresholds.accuracy.min'?",
        ),
        (
            "trainer.epochs=many",
            "cats_vs_dogs.yaml: trainer.epochs: expected integer, found 'many'",
        ),
        (
            "trainer.epochs=2.5",
            "cats_vs_dogs.yaml: trainer.epochs: expected integer, found 2.5",
        ),
        (
            "trainer.epochs=0",
            "cats_vs_dogs.yaml: trainer.epochs: expected 1 or more without weights, found 0",
        ),
        (
            "data.layout=folders",
            "cats_vs_dogs.yaml: data.layout: expected 'cats_dogs', 'pets' or 'blobs', "
            "found 'folders'",
        ),
        (
            "trainer.model=mini_xeption",
            f"cats_vs_dogs.yaml: trainer.model: expected one of {', '.join(MODEL_NAMES)}, "
            "found 'mini_xeption'; did you mean 'mini_xception'?",
        ),
        (
            "trainer.model=segmentation_convnet",
            "cats_vs_dogs.yaml: trainer.model: expected a model for classification "
            "(convnet_baseline, convnet_small_150, mini_xception, residual_convnet, vgg16, "
            "xception), found 'segmentation_convnet', which is for segmentation",
        ),
        (
            "evaluator.thresholds={acuracy: {min: 0.5}}",
            "cats_vs_dogs.yaml: evaluator.thresholds.acuracy: expected a metric of classification: "
            "accuracy, auc, precision, recall, found 'acuracy'; did you mean 'accuracy'?",
        ),
        (
            "evaluator.slices=[image/orientaton]",
            "cats_vs_dogs.yaml: evaluator.slices: expected keys of image/label_name, "
            "image/orientation, found 'image/orientaton'; did you mean 'image/orientation'?",
        ),
        (
            "evaluator.slices=[]",
            "cats_vs_dogs.yaml: evaluator.slice_thresholds: expected evaluator.slices to name the "
            "feature keys to slice by, found no slices",
        ),
        ("trainer.epochs", "--set trainer.epochs: expected key=value, like trainer.epochs=5"),
        ("name.x=1", "--set name.x: expected a section, found a value at 'name'"),
        (
            "evaluator.slices.2=image/key",
            "--set evaluator.slices.2: expected one of the 2 elements, counted from 0, found '2'",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(assignment, line):
    with pytest.raises(InputError) as error:
        load_config("cats_vs_dogs", [assignment])
    assert str(error.value) == line


def test_one_stage_is_set_by_its_number():
    before = load_config("cats_vs_dogs_book").trainer
    after = load_config("cats_vs_dogs_book", ["trainer.earlier_stages.1.epochs=3"]).trainer
    assert [stage.epochs for stage in after.stages] == [65, 3, 27]
    assert after.stages[1].model_copy(update={"epochs": 16}) == before.stages[1]
    with pytest.raises(InputError, match=r"did you mean 'trainer.earlier_stages.image_size'"):
        load_config("cats_vs_dogs_book", ["trainer.earlier_stages.1.image_sise=64"])


def test_unknown_config_names_the_nearest():
    with pytest.raises(InputError, match=r"did you mean 'cats_vs_dogs'\?"):
        load_config("cats_vs_dog")


def test_broken_yaml_names_the_file(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: [")
    with pytest.raises(InputError, match=r"broken\.yaml: expected valid YAML") as error:
        load_config(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "found"),
    [(None, "data.path is not set"), ("missing", "'missing', which does not exist")],
)
def test_data_folder_must_be_there(data, found, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=found) as error:
        check_data_path(load_config("cats_vs_dogs", data=data))
    assert "--data DIR" in str(error.value)


@pytest.mark.parametrize(
    ("name", "layout", "line"),
    [
        ("pets_segmentation", "cats_dogs", "segmentation needs masks: expected 'pets'"),
        ("pets_segmentation", "blobs", "segmentation needs masks: expected 'pets'"),
        ("cats_vs_dogs", "blobs", "classification needs classes: expected 'cats_dogs'"),
        ("cats_vs_dogs", "pets", "classification needs classes: expected 'cats_dogs'"),
        ("linear_blobs", "pets", "points needs coordinates: expected 'blobs'"),
    ],
)
def test_a_problem_needs_its_layout(name, layout, line):
    with pytest.raises(InputError) as error:
        load_config(name, [f"data.layout={layout}"])
    assert str(error.value) == f"{name}.yaml: data.layout: {line}, found '{layout}'"


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("example_gen.split=book_small", "example_gen.split: expected 'hash', found 'book_small'"),
        (
            "trainer.image_size=64",
            "trainer.image_size: expected nothing: it is for pictures, found 64",
        ),
        (
            "trainer.batch_size=64",
            "trainer.batch_size: expected nothing: it is for pictures, found 64",
        ),
        ("trainer.training_step=tape", "trainer.training_step: expected 'fit' or 'gradient_tape'"),
        ("trainer.model=mini_xception", "trainer.model: expected a model for points (linear)"),
        (
            "evaluator.thresholds={mean_iou: {min: 0.5}}",
            "evaluator.thresholds.mean_iou: expected a metric of points: accuracy, auc, precision, "
            "recall, found 'mean_iou'",
        ),
        (
            "evaluator.slices=[image/label_name]",
            "evaluator.slices: expected keys of point/label_name, found 'image/label_name'",
        ),
    ],
)
def test_what_is_for_pictures_is_refused_of_points(assignment, line):
    with pytest.raises(InputError) as error:
        load_config("linear_blobs", [assignment])
    assert str(error.value).startswith(f"linear_blobs.yaml: {line}")


def test_the_linear_model_is_refused_of_pictures():
    with pytest.raises(InputError, match=r"found 'linear', which is for points"):
        load_config("cats_vs_dogs", ["trainer.model=linear"])
