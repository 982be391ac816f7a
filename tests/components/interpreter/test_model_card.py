import json

import pytest

from components import artifacts
from components.interpreter.model_card import make_card, render_text
from components.interpreter.report import Facts
from components.tasks import SHIPPED, get_task
from serving.classes import Classes

RECIPE = {
    "config": {"name": "cats_vs_dogs", "trainer": {"image_size": 180, "epochs": 2}},
    "code_sha256": "ab" * 32,
    "versions": {"pawlens": "9.8.7"},
}


@pytest.fixture
def facts(kit):
    case = kit.Case()
    case.history |= {
        "finished": "2024-05-06T07:08:09+00:00",
        "made_with": {"python": "3.11.9", "gpus": [], "precision": "float32"},
        "hyperparameters": {"learning_rate": 0.01},
    }
    case.ingest |= {"missing": 12, "notes": ["eval is taken from train"]}
    case.figures = {
        "blessed": False,
        "baseline": {"version": 7, "warning": None},
        "figures": [
            kit.figure("accuracy", 0.8734567, lower=0.81249, upper=0.9, baseline=0.88),
            kit.figure("precision", None, of="dog"),
            kit.figure("accuracy", 0.5, slice="image/orientation=square", examples=31),
        ],
        "checks": [
            kit.check("accuracy", 0.7, 0.8734567, True, "accuracy is 0.8735, at least 0.7 needed"),
            kit.check("auc", 0.9, 0.8, False, "auc is 0.8000, at least 0.9 needed"),
        ],
    }
    return Facts(case.ingest, {}, case.history, b"", case.figures)


def told(facts, recipe=RECIPE, task="image_classification", classes=("cat", "dog")):
    """The card and its text."""
    face = get_task(task)
    part = face.report(Classes(classes))
    card = make_card(pipeline_name="cats", task=face, facts=facts, told=part.card(), recipe=recipe)
    return card, render_text(card).decode()


def test_the_text_tells_what_is_asked_of_a_card(facts):
    _, text = told(facts)
    for words in (
        "# Model card: cats",
        "Tells which of cat, dog a picture shows, and where it looked.",
        "| architecture | `mini_xception`, 721,857 parameters |",
        "| input | encoded images, stretched to 180 x 180 pixels |",
        "| output | a probability for each of cat, dog |",
        "| heatmaps explain | the layer `trunk_output` |",
        "| trained | 2024-05-06T07:08:09+00:00; of 2 epochs number 1 is the best by `val_loss` |",
        "| seed | 1337 |",
        f"| code | SHA-256 `{'ab' * 32}` |",
        "| verdict | not good enough to be served |",
        "1,234 images found = 1,230 accepted + 4 refused.",
        "| unreadable | 3 |",
        "| duplicate | 1 |",
        "| train | 1,000 |",
        "Classes: cat, dog.",
        "12 images that a list names were not there.",
        "- eval is taken from train",
        "| accuracy | 0.873 | 0.812 to 0.900 | 0.880 | 40 |",
        "| precision of dog | \N{EN DASH} |  | \N{EN DASH} | 40 |",
        "| `image/orientation=square`: accuracy | 0.500 |  | \N{EN DASH} | 31 |",
        "Compared with the served version 7.",
        "- kept: accuracy is 0.8735, at least 0.7 needed",
        "- **broken**: auc is 0.8000, at least 0.9 needed",
        "- pawlens: 9.8.7",
        "- python: 3.11.9",
        "- gpus: []",
        "in place of what the configuration says: `learning_rate` = 0.01.",
        "## Intended use",
        "## Limits",
    ):
        assert words in text
    assert "orientation=square" not in text.split("## Slices")[0]  # slices in their own table
    # No line of a template is left over.
    assert "{%" not in text and "{{" not in text
    assert "\n\n\n\n" not in text
    assert json.loads(text.split("```json\n")[1].split("```")[0]) == RECIPE["config"]


@pytest.mark.parametrize(("task", "unit"), [("points", "points"), ("image_segmentation", "images")])
def test_what_is_not_known_is_left_out(facts, kit, task, unit):
    history = {k: v for k, v in facts.history.items() if k in kit.Case().history}
    figures = facts.figures | {"blessed": True, "baseline": None, "checks": [], "figures": []}
    ingest = facts.ingest | {"quarantined": {}}
    _, text = told(Facts(ingest, {}, history, b"", figures), recipe={}, task=task)
    for words in (
        f"1,234 {unit} found = 1,230 accepted + 0 refused.",
        "Nothing was refused.",
        "Nothing else was served to compare with.",
        "None applied.",
        "None was measured.",
        "date unknown",
        "every threshold is kept",
    ):
        assert words in text
    for row in ("code", "input", "heatmaps explain"):
        assert f"| {row} |" not in text


def test_many_classes_are_told_in_short(facts, kit):
    names = tuple(f"kind {number}" for number in range(60))
    facts.ingest["classes"] = names
    facts.figures["figures"] += [kit.figure("f1", n / 60, of=name) for n, name in enumerate(names)]
    card, text = told(facts, classes=names)
    assert "Tells which of kind 0, kind 1, kind 2, kind 3, kind 4, kind 5, kind 6, kind 7" in text
    assert "kind 7 and 52 more a picture shows" in text
    assert "Classes: 60." in text
    assert "By class, the 50 lowest of 61 by f1; the JSON beside has all." in text
    assert "| f1 of kind 0 |" in text
    assert "| f1 of kind 59 |" not in text
    assert card["evaluation"]["metrics"][-1]["class"] == "kind 59"


@pytest.mark.parametrize("task", SHIPPED)
def test_the_step_writes_both_beside_the_page(kit, task):
    page = kit.page(kit.Case(task, recipe=RECIPE))
    card = json.loads((page.parent / artifacts.MODEL_CARD_DATA).read_text())
    assert (card["name"], card["task"]) == ("cats_vs_dogs", task)
    assert card["config"] == RECIPE["config"]
    assert card["data"]["found"] == card["data"]["accepted"] + card["data"]["refused"] == 1234
    assert card["evaluation"]["metrics"][0]["value"] == 0.8734567
    assert (page.parent / artifacts.MODEL_CARD).read_bytes() == render_text(card)


def test_the_text_tells_how_a_model_was_made_and_exported(facts):
    of_both = "; the logits are the mean over the image and its mirror"
    plain = told(facts)[1]
    assert of_both not in plain
    assert "they were not calibrated" in plain
    as_they_are = facts.history["epochs"][0] | {"epoch": 0}
    facts.history.update(best_epoch=0, epochs=[as_they_are], test_time_flip=True)
    facts.history.update(temperature=1.7321)
    trainer = {"image_size": 64, "export": {"grad_cam_layer": "block3_output"}}
    card, text = told(facts, {"config": {"trainer": trainer}})
    assert of_both in text
    assert card["model"]["epochs"] == 0
    assert "; weights from elsewhere, exported as they are |" in text
    assert "calibrated on the eval split, by a temperature of 1.73" in text
    assert "they were not calibrated" not in text
    assert "| heatmaps explain | the layer `block3_output` |" in text
