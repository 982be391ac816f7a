import itertools
import re
from html.parser import HTMLParser

import pytest
from tfx.types import standard_artifacts
from tfx.types.channel import Channel

from components import artifacts
from components.interpreter.component import Interpreter
from serving.errors import InputError

OF_BOTH = "Every answer is that of the picture and its mirror image together"


class Page(HTMLParser):
    """What a browser would make of the page: its words, images and addresses."""

    def __init__(self, path):
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.tags, self.words, self.images, self.addresses = [], [], [], []
        self.feed(self.html.replace("<wbr>", ""))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "img":
            self.images.append(attributes)
        self.addresses += [
            attributes[key] for key in ("src", "href", "srcset") if key in attributes
        ]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def alts(self):
        return [image["alt"] for image in self.images]

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def test_classification_page_tells_everything(kit):
    page = Page(kit.page(kit.Case(records=kit.labelled())))
    for words in ("found 1,234", "accepted 1,230", "quarantined 4", "train split 1,000"):
        assert words in page.text
    assert "Cat/666.jpg no picture" in page.text
    assert "duplicate : 1 file" in page.text
    assert "1 of 1 checks passed." in page.text
    assert "mini_xception, 721,857 parameters" in page.text
    assert "0.873 0.812 to 0.900" in page.text
    assert "8734567" not in page.html
    assert "No model is served yet" in page.text
    assert "loss 0.700 0.612 0.500 NaN" in page.text
    assert "epochs 2 best epoch 1 by val_loss time 2 min 1 s" in page.text
    assert OF_BOTH not in page.text
    assert "Chosen from the first 6 of 100 test pictures" in page.text
    assert "in pictures truth predicted cat predicted dog cat 1,900 41 dog 52 7 " in page.text


def test_the_page_tells_of_weights_as_they_are_and_of_mirror_images(kit):
    case = kit.Case(records=kit.labelled())
    case.history |= {
        "test_time_flip": True,
        "best_epoch": 0,
        "epochs": [case.history["epochs"][0] | {"epoch": 0}],
    }
    page = Page(kit.page(case))
    assert f"{OF_BOTH}: their logits are averaged." in page.text
    assert "epochs 0 best epoch 0 " in page.text
    assert "Training Nothing was trained: weights of a file, measured and exported as" in page.text
    assert "best, epoch 0" in page.text


def test_classification_pictures(kit):
    page = Page(kit.page(kit.Case(records=kit.labelled()), pictures=4))
    alts = page.alts()
    wrong = ["Cat/12 <img src=x onerror=alert(1)>.png", "Dog/12.png"]
    right = ["Cat/10.png", "Dog/10.png"]
    shown = [alt.removeprefix("Picture ") for alt in alts if alt.startswith("Picture ")]
    assert shown == wrong + right
    explained = [alt for alt in alts if alt.startswith("Grad-CAM")]
    answers = ["dog", "cat", "cat", "dog"]
    assert explained == [
        f"Grad-CAM for {answer} over {name}"
        for answer, name in zip(answers, wrong + right, strict=True)
    ]
    assert "cat: Cat/1.png" in alts
    assert "truth cat prediction dog probability 0.978" in page.text


def test_the_page_is_whole_and_escaped(kit):
    page = Page(kit.page(kit.Case(records=kit.labelled())))
    assert page.count("script") == 0
    assert "Dog/2 <script>alert(1)</script>.png" in page.text
    assert all(not any(key.startswith("on") for key in attrs) for _, attrs in page.tags)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "http://" not in page.html
    assert "https://" not in page.html
    assert not re.search(r"@import|url\(", page.html)
    assert all(image["alt"] for image in page.images)


def test_headings_and_tables_are_accessible(kit):
    page = Page(kit.page(kit.Case(records=kit.labelled())))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.count("th") > 0
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags


def test_not_blessed_says_why(kit):
    case = kit.Case(records=kit.labelled())
    case.figures["blessed"] = False
    failed = kit.check("recall", 0.9, 0.5, False, "recall <0.5> misses 0.9")
    drop = {"kind": "max_drop", "class": "cat", "slice": "image/orientation=square"}
    case.figures["checks"].append({**failed, **drop})
    page = Page(kit.page(case))
    assert "Not blessed" in page.text
    assert "1 of 2 checks failed." in page.text
    assert page.text.count("recall <0.5> misses 0.9") == 2  # in the verdict and among the checks
    assert "failed recall (cat) image/orientation=square 0.500 drops at most 0.900" in page.text


def test_baseline_and_slices(kit):
    case = kit.Case(records=kit.labelled())
    case.figures["baseline"] = {"version": "17", "warning": "trained on 3 test pictures"}
    case.figures["figures"] = [
        kit.figure("accuracy", 0.9, baseline=0.85),
        kit.figure("recall", 0.8, **{"class": "cat"}),
        kit.figure("accuracy", 0.75, slice="image/orientation=portrait", examples=21),
    ]
    page = Page(kit.page(case))
    assert "Compared with version 17" in page.text
    assert "trained on 3 test pictures" in page.text
    assert "accuracy 0.900 \N{EN DASH} 0.850 +0.050" in page.text
    assert "cat 0.800" in page.text
    assert "image/orientation=portrait 0.750 21" in page.text


def test_nothing_wrong_nothing_refused(kit):
    records = kit.labelled()
    records["test"] = [records["test"][0], records["test"][3]]
    case = kit.Case(records=records, refused=[])
    case.ingest |= {"found": 1230, "quarantined": {}}
    page = Page(kit.page(case))
    assert "No file was refused." in page.text
    assert "Wrong None. Right" in page.text
    assert sum(alt.startswith("Grad-CAM") for alt in page.alts()) == 2


def test_empty_splits(kit):
    case = kit.Case(records={})
    case.history |= {"epochs": [], "best_epoch": None}
    case.figures |= {"figures": [], "checks": []}
    page = Page(kit.page(case))
    assert "The test split is empty." in page.text
    assert "No epoch was recorded." in page.text
    assert "nothing was checked. The model may be served" in page.text


def test_long_quarantine_is_cut_short(kit):
    case = kit.Case(records=kit.labelled())
    case.ingest["quarantined"] = {"unreadable": 30}
    case.refused = [
        {"path": f"Cat/{n}.jpg", "reason": "unreadable", "detail": ""} for n in range(30)
    ]
    page = Page(kit.page(case))
    assert "unreadable : 30 files, the first 20 here" in page.text
    assert "Cat/19.jpg" in page.text
    assert "Cat/20.jpg" not in page.text


def test_a_name_that_is_no_utf8(kit):
    case = kit.Case(records=kit.labelled())
    case.refused[0]["path"] = "Cat/\udcff.jpg"
    assert "Cat/?.jpg" in Page(kit.page(case)).text


@pytest.mark.parametrize("pictures", [3, 12])
def test_segmentation_page(kit, pictures):
    case = kit.Case(records=kit.masked())
    case.ingest["splits"]["test"] = 6
    page = Page(kit.page(case, "segmentation", pictures))
    alts = page.alts()
    assert "by predicted class, in pixels at the model's size" in page.text
    assert "Chosen from all 6 test pictures." in page.text
    assert "True mask over images/a.png" in alts
    shown = [alt.removeprefix("Picture images/") for alt in alts if alt.startswith("Picture ")][1:]
    # 12 fits best; 0 (no foreground at all) worst.
    if pictures == 3:
        assert shown[0] == "00.png"
        assert shown[-1] == "12.png"
    assert len(set(shown)) == len(shown) == min(pictures, 6)
    for name in shown:
        for kind in ("True mask of", "Predicted mask of", "Grad-CAM for foreground over"):
            assert f"{kind} images/{name}" in alts
    assert (
        "mean IoU 1.000 IoU foreground 1.000 IoU background 1.000 IoU contour absent" in page.text
    )


def test_points_page(kit):
    case = kit.Case(records=kit.pointed())
    case.ingest["splits"]["test"] = 8
    case.figures["confusion"] = {"classes": ["negative", "positive"], "rows": [[2, 3], [1, 4]]}
    page = Page(kit.page(case, "points", pictures=4))
    assert "Points with mini_xception" in page.text
    assert "Rows that were left out" in page.text
    assert "duplicate : 1 row" in page.text
    assert "All 7 points." in page.text
    assert "Chosen from all 8 test points." in page.text
    assert "by predicted class, in points truth" in page.text
    assert "negative 2 3 positive 1 4 " in page.text
    assert "Grad-CAM" not in page.text
    assert "pictures" not in page.text
    plots = [alt for alt in page.alts() if "points" in alt]
    assert plots == [
        "7 training points by class",
        "8 test points by true class, the line where the score is 0.5, and rings around the 3 "
        "points predicted wrong",
    ]
    # Half wrong ones, the most confident first, then right ones from the line away.
    first = page.text.index("Wrong The most confident ones first.")
    shown = re.findall(r"a\.csv:\d+", page.text[first:])
    assert shown == ["a.csv:14", "a.csv:16", "a.csv:11", "a.csv:13"]
    wrong = "truth negative prediction positive score 1.500 x 1.500 y 0.000 a.csv:16 <b>"
    assert wrong in page.text
    assert page.count("b") == 0


def test_points_page_where_nothing_is_wrong_or_there(kit):
    records = kit.pointed()
    records["test"] = records["test"][:4]
    page = Page(kit.page(kit.Case(records=records), "points"))
    assert "Wrong None. Right" in page.text
    assert "rings around the 0 points" in " ".join(page.alts())


def test_empty_splits_of_points(kit):
    page = Page(kit.page(kit.Case(records={}), "points"))
    assert "No points." in page.text
    assert "The test split is empty." in page.text


def test_same_inputs_same_bytes(kit, tmp_path_factory):
    first = kit.page(kit.Case(records=kit.labelled())).read_bytes()
    kit.folder = tmp_path_factory.mktemp("again")
    assert kit.page(kit.Case(records=kit.labelled())).read_bytes() == first


def test_same_points_same_bytes(kit, tmp_path_factory):
    first = kit.page(kit.Case(records=kit.pointed()), "points").read_bytes()
    kit.folder = tmp_path_factory.mktemp("again")
    assert kit.page(kit.Case(records=kit.pointed()), "points").read_bytes() == first


def component(**changes):
    arguments = {
        "examples": Channel(type=standard_artifacts.Examples),
        "quarantine": Channel(type=artifacts.Quarantine),
        "model": Channel(type=standard_artifacts.Model),
        "model_run": Channel(type=standard_artifacts.ModelRun),
        "evaluation": Channel(type=standard_artifacts.ModelEvaluation),
        "pipeline_name": "cats_vs_dogs",
        "problem": "classification",
    }
    return Interpreter(**{**arguments, **changes})


def test_component_declares_its_artifacts():
    step = component(pictures=5)
    assert {key: channel.type for key, channel in step.outputs.items()} == {
        "report": artifacts.Report,
        "page": artifacts.HTML,
        "metrics": artifacts.Metrics,
        "classification_metrics": artifacts.ClassificationMetrics,
    }
    assert step.exec_properties == {
        "pipeline_name": "cats_vs_dogs",
        "problem": "classification",
        "pictures": 5,
        "recipe": "{}",
    }


@pytest.mark.parametrize("changes", [{"problem": "detection"}, {"pictures": 0}])
def test_component_refuses_wrong_properties(changes):
    with pytest.raises(InputError, match="expected"):
        component(**changes)
