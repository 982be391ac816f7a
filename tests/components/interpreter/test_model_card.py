"""The model card: the same facts as text and as JSON, none left out and none made up."""

import json

import pytest

from components import artifacts
from components.interpreter.model_card import PURPOSE, figure_table, make_card, render_text
from components.interpreter.readers import Facts


@pytest.fixture
def facts(kit):
    case = kit.Case()
    case.history |= {
        "finished": "2024-05-06T07:08:09+00:00",
        "made_with": {"python": "3.11.9", "gpus": [], "precision": "float32"},
        "hyperparameters": {"learning_rate": 0.01},
    }
    case.figures = {
        "blessed": False,
        "baseline": {"version": 7, "warning": None},
        "figures": [
            kit.figure("accuracy", 0.8734567, lower=0.81249, upper=0.9, baseline=0.88),
            kit.figure("precision", None, **{"class": "dog"}),
            kit.figure("accuracy", 0.5, slice="image/orientation=square", examples=31),
        ],
        "checks": [
            kit.check("accuracy", 0.7, 0.8734567, True, "accuracy is 0.8735, at least 0.7 needed"),
            kit.check("auc", 0.9, 0.8, False, "auc is 0.8000, at least 0.9 needed"),
        ],
    }
    return Facts(case.ingest, {}, case.history, b"", case.figures)


RECIPE = {
    "config": {"name": "cats_vs_dogs", "trainer": {"image_size": 180, "epochs": 2}},
    "code_sha256": "ab" * 32,
    "versions": {"pawlens": "9.8.7"},
}


@pytest.fixture
def card(facts):
    return make_card(
        pipeline_name="cats_vs_dogs", problem="classification", facts=facts, recipe=RECIPE
    )


def test_the_text_tells_what_is_asked_of_a_card(card):
    text = render_text(card).decode()
    for told in (
        "# Model card: cats_vs_dogs",
        PURPOSE["classification"],
        "| architecture | `mini_xception`, 721,857 parameters |",
        "| input | encoded pictures, stretched to 180 x 180 pixels |",
        "| heatmaps explain | the layer `trunk_output` |",
        "| trained | 2024-05-06T07:08:09+00:00; of 2 epochs number 1 is the best by `val_loss` |",
        "| seed | 1337 |",
        f"| code | SHA-256 `{'ab' * 32}` |",
        "| verdict | not good enough to be served |",
        "1,234 pictures found = 1,230 accepted + 4 refused.",
        "| unreadable | 3 |",
        "| duplicate | 1 |",
        "| train | 1,000 |",
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
        '    "image_size": 180',
        "## Intended use",
        "## Limits",
    ):
        assert told in text
    assert "orientation=square" not in text.split("## Slices")[0]  # slices in their own table
    # Every table row has as many cells as its head, and no line of a template is left over.
    assert "{%" not in text and "{{" not in text
    assert "\n\n\n\n" not in text


def test_the_configuration_comes_back_out_of_the_text(card):
    text = render_text(card).decode()
    block = text.split("```json\n")[1].split("```")[0]
    assert json.loads(block) == RECIPE["config"]


def test_what_is_not_known_is_left_out(facts, kit):
    history = {k: v for k, v in facts.history.items() if k in kit.Case().history}
    figures = facts.figures | {"blessed": True, "baseline": None, "checks": [], "figures": []}
    ingest = facts.ingest | {"quarantined": {}}
    bare = Facts(ingest, {}, history, b"", figures)
    for problem, unit in (("points", "points"), ("segmentation", "pictures")):
        card = make_card(pipeline_name="p", problem=problem, facts=bare, recipe={})
        text = render_text(card).decode()
        assert f"1,234 {unit} found = 1,230 accepted + 0 refused." in text
        assert "Nothing was refused." in text
        assert "Nothing else was served to compare with." in text
        assert "None applied." in text
        assert "None was measured." in text
        assert "date unknown" in text
        for row in ("code", "input", "heatmaps explain"):
            assert f"| {row} |" not in text
        assert "every threshold is kept" in text


def test_the_layer_fixed_at_the_export_is_named(facts):
    trainer = {"image_size": 64, "export": {"grad_cam_layer": "block3_output"}}
    recipe = {"config": {"trainer": trainer}}
    card = make_card(pipeline_name="p", problem="classification", facts=facts, recipe=recipe)
    assert "| heatmaps explain | the layer `block3_output` |" in render_text(card).decode()


def test_a_table_has_a_row_a_figure(kit):
    lines = figure_table([kit.figure("auc", 0.25), kit.figure("iou", 1.0)], "metric").splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {6}


@pytest.mark.parametrize("problem", ["classification", "points"])
def test_the_step_writes_both_beside_the_page(kit, problem):
    records = {"classification": kit.labelled, "points": kit.pointed}[problem]()
    page = kit.page(kit.Case(records=records, recipe=RECIPE), problem)
    card = json.loads((page.parent / artifacts.MODEL_CARD_DATA).read_text())
    assert (card["name"], card["problem"]) == ("cats_vs_dogs", problem)
    assert card["config"] == RECIPE["config"]
    assert card["data"]["found"] == card["data"]["accepted"] + card["data"]["refused"] == 1234
    assert card["evaluation"]["metrics"][0]["value"] == 0.8734567
    text = (page.parent / artifacts.MODEL_CARD).read_bytes()
    assert text == render_text(card)


def test_the_text_tells_of_test_time_augmentation(facts):
    def told() -> bool:
        card = make_card(
            pipeline_name="cats_vs_dogs", problem="classification", facts=facts, recipe=RECIPE
        )
        return b"; the logits are the mean over the picture and its mirror" in render_text(card)

    assert not told()
    facts.history["test_time_flip"] = True
    assert told()


def test_weights_that_were_not_trained_here(facts):
    as_they_are = facts.history["epochs"][0] | {"epoch": 0}
    facts.history.update(best_epoch=0, epochs=[as_they_are])
    card = make_card(
        pipeline_name="cats_vs_dogs", problem="classification", facts=facts, recipe=RECIPE
    )
    assert card["model"]["epochs"] == 0
    assert "; weights from elsewhere, exported as they are |" in render_text(card).decode()
