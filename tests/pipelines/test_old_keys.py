import pytest

from pipelines.old_keys import rewrite

STAGE = {"image_size": 80, "epochs": 3}
RATE = {"epochs": 2, "learning_rate": 1e-5}
CATS = {"layout": "auto", "classes": ["cat", "dog"]}
PETS = {
    "layout": "masks",
    "classes": {"foreground": 1, "background": 2, "contour": 3},
    "min_share": {"foreground": 0.001},
}
OWN = {"classes": {"cat": 1, "dog": 2}}
ONLY = "is read for this release only;"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            {"problem": "classification", "data": {"layout": "cats_dogs", "path": "d"}},
            {"task": "image_classification", "data": CATS | {"path": "d"}},
            [
                f"problem {ONLY} write task: image_classification",
                f"data.layout {ONLY} write layout: auto, classes: [cat, dog] in section data",
            ],
        ),
        (
            {"data": {"layout": "pets"}},
            {"data": PETS},
            ["write layout: masks, classes: {foreground: 1, background: 2, contour: 3}, "],
        ),
        (
            {"data": {"layout": "pets", **OWN}},
            {"data": {"layout": "masks", **OWN}},
            ["write layout: masks in section data"],
        ),
        (
            {"trainer": {"model": "m", "earlier_stages": [STAGE]}},
            {"trainer": {"stages": [STAGE, {}], "model": "m"}},
            ["trainer.earlier_stages is read"],
        ),
        (
            {"trainer": {"fine_tune": RATE}},
            {"trainer": {"stages": [{"learn": "head"}, {"learn": "top", **RATE}]}},
            ["trainer.fine_tune is read"],
        ),
        (
            {"trainer": {"training_step": "fit", "fine_tune": None}},
            {"trainer": {}},
            ["trainer.fine_tune is read", f"trainer.training_step {ONLY} leave it out"],
        ),
        (
            {"interpreter": {"pictures": 4}, "pusher": {"live_check": {"pictures": 2}}},
            {"interpreter": {"images": 4}, "pusher": {"live_check": {"images": 2}}},
            ["write images: 4 in section interpreter", "write images: 2 in section pusher.live_ch"],
        ),
        (
            {"problem": "segmentation", "task": "points"},
            {"task": "points"},
            ["problem does not count beside task; leave problem out"],
        ),
        ({"task": "points", "data": {"layout": "csv"}}, None, []),
        ({"trainer": {"stages": [{}]}, "data": None}, None, []),
    ],
)
def test_old_keys_become_new_ones_and_say_so(old, new, told):
    before = repr(old)
    made, lines = rewrite(old)
    assert made == (old if new is None else new)
    assert repr(old) == before
    for line, text in zip(lines, told, strict=True):
        assert text in line
        assert "\n" not in line
