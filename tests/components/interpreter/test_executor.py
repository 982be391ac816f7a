import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tfx.types.channel import Channel

from components import artifacts
from components.datasets.palette import palette
from components.interpreter.component import Interpreter
from components.tasks import SHIPPED
from serving.classes import Classes
from serving.errors import InputError

OF_BOTH = "Every answer is that of the image and its mirror image together"
TASKS = pytest.mark.parametrize("task", SHIPPED)


class Page(HTMLParser):
    """What a browser would make of the page: its words, images and addresses."""

    def __init__(self, path):
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.tags, self.words, self.images, self.addresses = [], [], [], []
        self.feed(self.html.replace("<wbr>", ""))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "img":
            self.images.append(given)
        self.addresses += [given[key] for key in ("src", "href", "srcset") if key in given]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def alts(self):
        return [image["alt"] for image in self.images]

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


def predictions(page):
    """What lies beside a page, a dictionary a line."""
    lines = page.with_name(artifacts.PREDICTIONS).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@TASKS
def test_every_page_is_whole_escaped_accessible_and_repeatable(kit, task, tmp_path_factory):
    made = kit.outputs(kit.Case(task))
    path = Path(made["report"].uri, artifacts.REPORT_PAGE)
    page = Page(path)
    assert page.count("script") == 0
    assert "<script>" in page.text  # in the name of a file
    assert all(not any(key.startswith("on") for key in attrs) for _, attrs in page.tags)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"@import|url\(|https?://", page.html)
    assert all(image["alt"] for image in page.images)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert ("html", {"lang": "en"}) in page.tags
    # The page in a frame is the same but for the links to its sections.
    (framed,) = Path(made["page"].uri).iterdir()
    before, links, after = page.html.partition("<nav")
    assert links
    assert framed.name == "index.html"
    assert framed.read_text("utf-8") == before + after.partition("</nav>\n")[2]
    assert made["metrics"].get_float_custom_property("accuracy") == 0.8734567
    kit.folder = tmp_path_factory.mktemp("again")
    assert kit.page(kit.Case(task)).read_bytes() == path.read_bytes()


@TASKS
def test_empty_splits(kit, task):
    case = kit.Case(task, examples={}, refused=[])
    case.history |= {"epochs": [], "best_epoch": None}
    case.figures |= {"figures": [], "checks": []}
    case.ingest |= {"found": 1230, "quarantined": {}}
    page = Page(kit.page(case))
    assert "No points." in page.text or "No images." in page.text
    assert "No file was refused." in page.text or "No row was refused." in page.text
    assert "The test split is empty." in page.text
    assert "No epoch was recorded." in page.text
    assert "nothing was checked. The model may be served" in page.text


def test_a_classifier_s_page_tells_everything(kit):
    case = kit.Case()
    case.ingest |= {"missing": 2, "notes": ["eval is taken from train"]}
    wrong_label = kit.image_example("Dog/20.png", kit.plain((20, 10, 190)), "dog")
    case.examples["eval"] = [wrong_label, case.examples["test"][0]]
    path = kit.page(case)
    page = Page(path)
    for words in (
        "found 1,234 accepted 1,230 quarantined 4 train split 1,000",
        "2 files that a list names are not there.",
        "eval is taken from train",
        "2 classes cat dog",
        "Cat/666.jpg no picture",
        "duplicate : 1 file",
        "1 of 1 checks passed.",
        "Image classification with mini_xception, 721,857 parameters",
        "0.873 0.812 to 0.900",
        "No model is served yet",
        "loss 0.700 0.612 0.500 NaN",
        "epochs 2 best epoch 1 by val_loss time 2 min 1 s",
        "Chosen from the first 6 of 100 test images",
        "in images truth predicted cat predicted dog cat 1,900 41 dog 52 7 ",
        "truth cat prediction dog probability 0.978",
        "Worst mistakes The most confident ones first. image Heatmap for dog",
        # Three answers of 0.978 and three of 0.599, two of each right; by hand.
        "ECE 0.190 expected",
        "3 images of mean confidence 0.978: 0.667 right",
        "dog: average precision 0.589.",
        "2 candidates among 8 labels , the likeliest mistakes first.",
        "truth dog its probability 0.032 the model says cat probability 0.968 split eval",
        "This model cannot be looked into. It was exported without",
    ):
        assert words in page.text
    assert "8734567" not in page.html
    assert OF_BOTH not in page.text
    wrong = ["Cat/12 <img src=x onerror=alert(1)>.png", "Dog/12.png"]
    unsure = ["Cat/11.png", "Dog/11.png"]
    right = ["Cat/10.png", "Dog/10.png"]
    doubted = [wrong[0], "Dog/20.png"]
    alts = page.alts()
    shown = [alt.removeprefix("Image ") for alt in alts if alt.startswith("Image ")]
    assert shown == wrong + unsure + right + doubted
    answers = zip(["dog", "cat", "cat", "dog", "cat", "dog"], shown[:6], strict=True)
    explained = [alt for alt in alts if alt.startswith("Heatmap")]
    assert explained == [f"Heatmap for {answer} over {name}" for answer, name in answers]
    assert "cat: Cat/1.png" in alts
    rows = predictions(path)
    assert [row["origin"] for row in rows] == sorted(wrong + unsure + right)
    told = list(rows[2].pop("probabilities").items())
    assert told == [("dog", pytest.approx(0.978119)), ("cat", pytest.approx(0.021881))]
    known = {"key": f"key of {wrong[0]}", "origin": wrong[0], "label": "cat", "predicted": "dog"}
    assert rows[2] == known


def test_graded_explanations_have_a_section_of_their_own(kit):
    case = kit.Case()
    whole = {"lower": 0.79, "upper": 0.91}
    case.figures["figures"] += [
        kit.figure("explanation/mosaic", 0.85, **whole),
        kit.figure("explanation/faithfulness", -0.02),
        kit.figure("explanation/mosaic", 0.5, slice="right=no", examples=20),
    ]
    case.figures["checks"] = [kit.check("explanation/mosaic", 0.65, 0.79, True, "kept")]
    outputs = kit.outputs(case)
    page = Page(Path(outputs["report"].uri, artifacts.REPORT_PAGE))
    assert ("a", {"href": "#explanations"}) in page.tags
    before, _, graded = page.text.partition("Graded explanations")
    assert "By slice" not in before
    assert "0.850 0.790 to 0.910" in graded
    assert "mosaic share of the heat on the explained class" in graded
    assert "pointing share" not in graded  # not measured
    assert "right=no 0.500 20" in graded
    assert outputs["metrics"].get_float_custom_property("explanation_mosaic") == 0.85
    card = Path(outputs["report"].uri, artifacts.MODEL_CARD).read_text()
    assert "| explanation/mosaic | 0.850 | 0.790 to 0.910 |" in card
    assert "| `right=no`: explanation/mosaic | 0.500 |" in card


@pytest.mark.parametrize(("grade", "flagged"), [(0.3, True), (0.9, False)])
def test_heatmaps_that_ignore_the_weights_are_flagged(kit, grade, flagged):
    case = kit.Case()
    case.figures["figures"].append(kit.figure("explanation/weight_dependence", grade))
    stages = [{"randomised": 1, "of": 3, "correlation": 0.95}]
    case.figures["sanity"] = [*stages, {"randomised": 3, "of": 3, "correlation": 1 - grade}]
    text = Page(Path(kit.outputs(case)["report"].uri, artifacts.REPORT_PAGE)).text
    assert f"1 of 3 0.950 3 of 3 {1 - grade:.3f}" in text
    assert ("hardly change when the weights become random" in text) is flagged


def test_twelve_classes(kit):
    path = kit.page(kit.of_many(12))
    page = Page(path)
    assert {len(row["probabilities"]) for row in predictions(path)} == {5}
    assert page.text.count("the 8 classes of 12 with the lowest average precision") == 1
    assert "12 classes The first 8 of them are shown. kind 000" in page.text
    assert "kind 007: kind 007/7.png" in page.alts()
    assert not any(alt.startswith("kind 008:") for alt in page.alts())
    assert "in images truth kind 000 kind 001" in page.text
    assert "kind 003 0 0 0 3 0 0 0" in page.text
    assert "truth predicted images kind 003 kind 004 1,234" in page.text


def test_two_hundred_classes_are_not_all_shown(kit):
    page = Page(kit.facts_page(kit.of_many(200)))
    assert "kind 049 and 150 more" in page.text
    assert "True class by predicted class" not in page.text
    assert "truth predicted images kind 003 kind 004 1,234" in page.text
    by_class = page.text.partition("By class, the 50 lowest of 200 by f1")[2]
    assert by_class.startswith(" class f1 recall images kind 199 0.005 0.005 40 kind 198")
    assert "kind 150" in by_class
    assert "kind 149" not in by_class


@pytest.mark.parametrize("images", [3, 12])
def test_a_segmenter_s_page(kit, images):
    case = kit.Case("image_segmentation")
    case.ingest["splits"]["test"] = 6
    path = kit.page(case, images)
    page = Page(path)
    alts = page.alts()
    assert "by predicted class, in pixels at the model's size" in page.text
    assert "Chosen from all 6 test images." in page.text
    assert "True mask over images/a <script>.png" in alts
    shown = [alt.removeprefix("Image images/") for alt in alts if alt.startswith("Image ")][1:]
    if images == 3:  # 12 fits best; 0 (no foreground at all) worst
        assert (shown[0], shown[-1]) == ("00.png", "12.png")
    assert len(set(shown)) == len(shown) == min(images, 6)
    for name in shown:
        for kind in ("True mask of", "Predicted mask of", "Heatmap for foreground over"):
            assert f"{kind} images/{name}" in alts
    # It takes half of every picture for the foreground, that of 00 has none.
    assert "Error of images/00.png: 50.0% of the pixels are wrong" in alts
    ious = {row["origin"]: row["iou"] for row in predictions(path)}
    assert (len(ious), ious["images/12.png"], ious["images/00.png"]) == (6, 1.0, 0.25)
    # At the model's size 8 of 24 columns are 5 of 16, of which it finds 8.
    ious = "mean IoU 1.000 IoU foreground 1.000 IoU background 1.000 IoU contour absent"
    assert ious in page.text
    ious = "mean IoU 0.676 IoU foreground 0.625 IoU background 0.727 IoU contour absent"
    assert (ious in page.text) == (images == 12)


def test_a_segmenter_of_ten_classes_with_an_ignored_value(kit):
    """Pixels that count nowhere change nothing; explained is what fills most but the commonest."""
    names = tuple(f"thing {number}" for number in range(10))
    halves = kit.plain((10, 200, 10)).copy()
    halves[:, :4] = (200, 10, 10)
    mask = np.ones((18, 24), np.uint8)
    mask[:, :4] = 0
    mask[9:] = 255
    stored = kit.image_example("street.png", halves, mask=mask)
    classes = Classes(names, palette(names), ignored=255)
    both = {"train": [stored], "test": [stored]}
    case = kit.Case("image_segmentation", classes=classes, examples=both)
    page = Page(kit.page(case))
    assert "thing 9 ignored" in page.text
    assert "Heatmap for thing 0 over street.png" in page.alts()
    assert "Error of street.png: 0.0% of the pixels are wrong" in page.alts()
    assert "mean IoU 1.000 IoU thing 0 1.000 IoU thing 1 1.000 street.png" in page.text


def test_a_page_of_points(kit):
    case = kit.Case("points")
    case.ingest["splits"]["test"] = 8
    case.figures["confusion"] = {"classes": ["negative", "positive"], "rows": [[2, 3], [1, 4]]}
    path = kit.page(case)
    assert not path.with_name(artifacts.PREDICTIONS).exists()
    page = Page(path)
    for words in (
        "Points with mini_xception",
        "Rows that were left out",
        "duplicate : 1 row",
        "All 7 points.",
        "Chosen from all 8 test points.",
        "by predicted class, in points truth",
        "negative 2 3 positive 1 4 ",
        "truth negative prediction positive score 1.500 x 1.500 y 0.000 a.csv:16 <script>",
    ):
        assert words in page.text
    assert "Grad-CAM" not in page.text
    assert "images" not in page.text.partition("Data Examples Training")[2]
    assert [alt for alt in page.alts() if "points" in alt] == [
        "7 training points by class",
        "8 test points by true class, the line where the score is 0.5, and rings around the 3 "
        "points predicted wrong",
    ]
    # Half wrong ones, the most confident first, then right ones from the line away.
    first = page.text.index("Worst mistakes The most confident ones first.")
    shown = re.findall(r"a\.csv:\d+", page.text[first:])
    assert shown == ["a.csv:14", "a.csv:16", "a.csv:11", "a.csv:13"]


def test_weights_as_they_are_and_mirror_images(kit):
    case = kit.Case()
    case.history |= {
        "test_time_flip": True,
        "temperature": None,
        "best_epoch": 0,
        "epochs": [case.history["epochs"][0] | {"epoch": 0}],
    }
    page = Page(kit.facts_page(case))
    assert f"{OF_BOTH}: their logits are averaged." in page.text
    assert "epochs 0 best epoch 0 " in page.text
    assert "Training Nothing was trained: weights of a file, measured and exported as" in page.text
    assert "best, epoch 0" in page.text
    assert "explanations" not in page.html  # nothing was graded


def test_not_blessed_says_why(kit):
    case = kit.Case()
    case.figures["blessed"] = False
    failed = kit.check("recall", 0.9, 0.5, False, "recall <0.5> misses 0.9")
    drop = {"kind": "max_drop", "class": "cat", "slice": "image/orientation=square"}
    case.figures["checks"].append({**failed, **drop})
    page = Page(kit.facts_page(case))
    assert "Not blessed" in page.text
    assert "1 of 2 checks failed." in page.text
    assert page.text.count("recall <0.5> misses 0.9") == 2  # in the verdict and among the checks
    assert "failed recall (cat) image/orientation=square 0.500 drops at most 0.900" in page.text


def test_baseline_and_slices(kit):
    case = kit.Case()
    case.figures["baseline"] = {"version": "17", "warning": "trained on 3 test pictures"}
    case.figures["figures"] = [
        kit.figure("accuracy", 0.9, baseline=0.85),
        kit.figure("recall", 0.8, of="cat"),
        kit.figure("accuracy", 0.75, slice="image/orientation=portrait", examples=21),
    ]
    page = Page(kit.facts_page(case))
    for words in (
        "Compared with version 17",
        "trained on 3 test pictures",
        "accuracy 0.900 \N{EN DASH} 0.850 +0.050",
        "By class class recall images cat 0.800",
        "image/orientation=portrait 0.750 21",
    ):
        assert words in page.text


@pytest.mark.parametrize("task", ["image_classification", "points"])
def test_nothing_wrong(kit, task):
    case = kit.Case(task)
    case.examples["test"] = [case.examples["test"][at] for at in (0, 3)]
    assert "Worst mistakes None." in Page(kit.page(case)).text


def test_long_quarantine_is_cut_short_and_no_utf8_is_shown(kit):
    case = kit.Case(refused=[])
    case.ingest["quarantined"] = {"unreadable": 30}
    case.refused = [
        {"path": f"Cat/\udcff{n}.jpg", "reason": "unreadable", "detail": ""} for n in range(30)
    ]
    page = Page(kit.facts_page(case))
    assert "unreadable : 30 files, the first 20 here" in page.text
    assert "Cat/?19.jpg" in page.text
    assert "Cat/?20.jpg" not in page.text


def test_a_task_that_is_none_is_told_where_the_step_is_made():
    channels = {k: Channel(type=asked.type) for k, asked in Interpreter.SPEC_CLASS.INPUTS.items()}
    with pytest.raises(InputError, match=r"task: expected one of .*found 'detection'"):
        Interpreter(**channels, pipeline_name="cats_vs_dogs", task="detection")
