"""What a package of one's own brings by import paths, without an edit of ours."""

import json
import textwrap
from pathlib import Path

import pytest
import tensorflow as tf
import yaml

from components.datasets.synth import synthesize
from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE

CLASSES = 5
PACKAGE = {
    "__init__.py": '"""Ours is not this package."""\n',
    "nets.py": """
        import keras

        from my_animals.parts import block

        def build(image_size, classes, *, width=8):
            inputs = keras.Input((image_size, image_size, 3))
            x = keras.layers.Rescaling(1 / 255)(inputs)
            x = block(x, width)
            x = block(x, 2 * width)
            x = keras.layers.GlobalAveragePooling2D()(x)
            x = keras.layers.Dense(classes, name="logits")(x)
            return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(x))
    """,
    "parts.py": """
        import keras

        def block(x, width):
            return keras.layers.Conv2D(width, 3, strides=2, activation="relu")(x)
    """,
    "metrics.py": """
        from tensorflow_model_analysis.metrics import ExampleCount

        class Seen(ExampleCount):
            \"\"\"How many images were looked at.\"\"\"
    """,
    "steps.py": """
        from pathlib import Path

        from tfx.dsl.component.experimental.annotations import (
            InputArtifact,
            OutputArtifact,
            Parameter,
        )
        from tfx.dsl.component.experimental.decorators import component
        from tfx.types.standard_artifacts import Examples, Model

        from components.artifacts import HTML
        from components.datasets.examples import read_classes

        @component
        def Palette(
            examples: InputArtifact[Examples],
            model: InputArtifact[Model],
            page: OutputArtifact[HTML],
            colors: Parameter[int],
        ):
            assert (Path(model.uri) / "Format-Serving").is_dir()
            names = read_classes(examples.uri).names
            Path(page.uri).mkdir(parents=True, exist_ok=True)
            (Path(page.uri) / "index.html").write_text(f"{colors} colors of {', '.join(names)}")
    """,
}
CONFIG = {
    "name": "my_animals",
    "trainer": {
        "model": "my_animals.nets:build",
        "model_args": {"width": 4},
        "image_size": 32,
        "batch_size": 16,
        "epochs": 1,
        "sample_epochs": 0,
    },
    "evaluator": {
        "thresholds": {"accuracy": {"min": 0.0}, "seen": {"min": 1.0}},
        "metrics": {"seen": "my_animals.metrics:Seen"},
        "confidence_intervals": False,
    },
    "interpreter": {"images": 2},
    "infra_validator": {"images": 1},
    "pusher": {"model_name": "my_animals"},
    "steps": {
        "palette": {
            "component": "my_animals.steps:Palette",
            "inputs": {"examples": "example_gen.examples", "model": "trainer.model"},
            "arguments": {"colors": 8},
            "before_push": True,
        }
    },
    "kubeflow": {
        "image": "registry.example.com/mine:1",
        "steps": {"palette": {"cpu_limit": 1, "cpu_request": "500m"}},
    },
}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """A folder with a package, a configuration that names its parts, and 5 classes of images."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "my_animals").mkdir()
    for name, text in PACKAGE.items():
        (folder / "my_animals" / name).write_text(textwrap.dedent(text))
    (folder / "my_animals.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    synthesize(folder / "images", "class_folders", 100, classes=CLASSES, seed=4, size=(40, 36))
    return folder


@pytest.fixture(scope="module")
def command(outside, pawlens_beside):
    return pawlens_beside(outside)


@pytest.fixture(scope="module")
def run(outside, command):
    """run(): the summary of a run, each in the same work directory."""

    def start():
        config, data, work = (outside / name for name in ("my_animals.yaml", "images", "work"))
        command("run", config, "--data", data, "--workdir", work)
        return json.loads((work / "summary.json").read_text())

    return start


@pytest.fixture(scope="module")
def first(run):
    return run()


def ran(summary):
    return {name for name, step in summary["steps"].items() if not step["cached"]}


@pytest.mark.slow
def test_a_model_of_five_classes_is_pushed(first, outside):
    assert len(first["data"]["classes"]) == CLASSES
    assert first["blessed"] is True
    assert first["metrics"]["test"]["seen"] == first["data"]["splits"]["test"]
    pushed = Path(first["pushed"]["path"])
    text = (pushed / ASSETS_EXTRA / MODEL_CLASSES_FILE).read_text()
    assert list(Classes.from_json(text, "here").names) == first["data"]["classes"]
    [page] = (outside / "work" / "artifacts" / "palette" / "page").rglob("index.html")
    assert page.read_text() == f"8 colors of {', '.join(first['data']['classes'])}"


@pytest.mark.slow
def test_it_explains_itself(first, outside):
    explain = tf.saved_model.load(first["pushed"]["path"]).signatures["grad_cam"]
    image = next((outside / "images").rglob("*.jpg")).read_bytes()
    answer = explain(image_bytes=tf.constant([image]), class_index=tf.constant([CLASSES - 1]))
    heatmap = answer["heatmap"].numpy()
    assert heatmap.shape == (1, 32, 32)
    assert 0 <= heatmap.min() <= heatmap.max() <= 1


@pytest.mark.slow
def test_it_compiles_for_a_cluster(outside, command):
    command(
        *("kubeflow", "compile", outside / "my_animals.yaml", "--output", outside / "cluster.yaml")
    )
    spec, platform = yaml.safe_load_all((outside / "cluster.yaml").read_text())
    tasks = spec["root"]["dag"]["tasks"]
    assert set(tasks["palette"]["dependentTasks"]) == {"example-gen", "trainer"}
    assert "palette" in tasks["pusher"]["dependentTasks"]
    container = spec["deploymentSpec"]["executors"]["exec-palette"]["container"]
    assert "my_animals.steps.Palette_Executor" in container["args"]
    assert container["resources"]["resourceCpuLimit"] == "1"
    assert str(outside) not in json.dumps([spec, platform])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edits", "steps", "spared"),
    [
        (
            {
                "steps.py": ("colors of", "colours of"),
                "metrics.py": ("ExampleCount)", "ExampleCount, object)"),
                "parts.py": ("import keras", "import keras  # which changes nothing"),
            },
            {"palette", "evaluator"},
            {"trainer"},
        ),
        ({"parts.py": ('"relu"', '"gelu"')}, {"trainer"}, {"example_gen"}),
    ],
)
@pytest.mark.usefixtures("first")
def test_an_edit_runs_what_it_changes(run, outside, edits, steps, spared):
    for name, edit in edits.items():
        path = outside / "my_animals" / name
        path.write_text(path.read_text().replace(*edit))
    again = ran(run())
    assert steps <= again
    assert not spared & again


def test_what_is_not_there_is_one_line(outside, command):
    words = ["run", outside / "my_animals.yaml", "--data", outside / "images"]
    for key in ("trainer.model=my_animals.nets:bild", "steps.palette.component=my_animal.steps:P"):
        ended = command(*words, "--workdir", outside / "other", "--set", key, status=2)
        [line] = [one for one in ended.output.splitlines() if one.startswith("pawlens: ")]
        assert key.partition("=")[0] in line
