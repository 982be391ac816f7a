import json
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components import artifacts, features, preprocessing
from components.datasets.palette import palette
from components.interpreter import report
from components.interpreter.component import Interpreter
from components.interpreter.settings import InterpreterConfig
from components.reporting.cards import Predictions
from components.tasks import get_task
from serving import names
from serving.classes import Classes

SIDE = 16
INPUTS = Interpreter.SPEC_CLASS.INPUTS
RED, GREEN, BLUE, BLUISH = (200, 10, 10), (10, 200, 10), (10, 10, 200), (90, 10, 110)
MASKS = ("foreground", "background", "contour")
CLASSES = {
    "image_classification": Classes(("cat", "dog")),
    "image_segmentation": Classes(MASKS, palette(MASKS)),
    "points": Classes(("negative", "positive")),
}
BYTES = tf.TensorSpec([None], tf.string, name=names.INPUT_IMAGE_BYTES)
INDEX = tf.TensorSpec([None], tf.int32, name=names.INPUT_CLASS_INDEX)
POINTS = tf.TensorSpec([None, 2], tf.float32, name=names.INPUT_POINTS)


def plain(color, width=24, height=18):
    return np.broadcast_to(np.asarray(color, np.uint8), (height, width, 3))


def classifier(images, known):
    """The later a class, the more red than blue there is; of two, the second where it is more."""
    means = tf.reduce_mean(images, axis=[1, 2])
    number = tf.range(len(known), dtype=tf.float32)
    redder = (means[:, :1] - means[:, 2:]) / 50.0
    logits = redder * number - number * (number - 1) * 2.0 / len(known)
    probabilities = tf.nn.softmax(logits)
    return {
        names.OUTPUT_LABEL: tf.gather(known, tf.argmax(probabilities, axis=1)),
        names.OUTPUT_PROBABILITY: tf.reduce_max(probabilities, axis=1),
        names.OUTPUT_PROBABILITIES: probabilities,
    }


def segmenter(images, known):
    """The first three classes are where red, green and blue are strongest."""
    return {names.OUTPUT_MASK: tf.cast(tf.argmax(images, axis=-1), tf.uint8)}


def of_pictures(answer, known):
    """Signatures of a model of pictures; `answer` is what it says of them."""

    def serve(image_bytes):
        return answer(preprocessing.decode_images(image_bytes, SIDE), known)

    def grad_cam(image_bytes, class_index):
        images = preprocessing.decode_images(image_bytes, SIDE)
        asked = tf.gather(known, tf.maximum(class_index, 0))
        predicted = answer(images, known).get(names.OUTPUT_LABEL, asked)
        pixels = tf.cast(images, tf.uint8)
        overlays = tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)
        label = tf.where(class_index < 0, predicted, asked)
        return {names.OUTPUT_LABEL: label, names.OUTPUT_OVERLAY_PNG: overlays}

    served = {names.SIGNATURE_SERVING: (serve, BYTES)}
    return served | {names.SIGNATURE_GRAD_CAM: (grad_cam, BYTES, INDEX)}


def of_points(known):
    """Those of a model of points: the score is the x."""

    def serve(points):
        label = tf.gather(known, tf.cast(points[:, 0] > 0.5, tf.int32))
        return {names.OUTPUT_LABEL: label, names.OUTPUT_SCORE: points[:, 0]}

    return {names.SIGNATURE_SERVING: (serve, POINTS)}


MODELS = {
    "image_classification": partial(of_pictures, classifier),
    "image_segmentation": partial(of_pictures, segmenter),
    "points": of_points,
}


def image_example(filename, pixels, label=None, mask=None):
    """Its values by feature, as `write_examples` takes them."""
    height, width = pixels.shape[:2]
    given = {features.LABEL_NAME: label, features.MASK: mask}
    return {
        features.IMAGE: pixels,
        features.WIDTH: width,
        features.HEIGHT: height,
        features.FILENAME: filename,
        features.KEY: f"key of {filename}",
    } | {key: value for key, value in given.items() if value is not None}


def labelled():
    """Four right ones of both classes, two wrong ones, in a test split of six."""
    train = [("Cat/1", BLUE), ("Dog/2 <script>alert(1)</script>", RED)]
    test = [("Cat/10", BLUE), ("Cat/11", BLUISH), ("Cat/12 <img src=x onerror=alert(1)>", RED)]
    test += [("Dog/10", RED), ("Dog/11", (110, 10, 90)), ("Dog/12", BLUISH)]
    return {
        split: [image_example(f"{n}.png", plain(color), n[:3].lower()) for n, color in rows]
        for split, rows in (("train", train), ("test", test))
    }


def masked():
    """A picture half red, half green; masks, foreground left of a column, fit it more and less."""
    halves = plain(GREEN).copy()
    halves[:, :12] = RED

    def stored(name, column):
        mask = np.ones((18, 24), np.uint8)
        mask[:, :column] = 0
        return image_example(f"images/{name}.png", halves, mask=mask)

    columns = (0, 4, 8, 12, 16, 20)
    return {
        "train": [stored("a <script>", 12)],
        "test": [stored(f"{column:02d}", column) for column in columns],
    }


def pointed():
    """Five right ones, of which two close to the line, and three wrong ones."""

    def point(row, x, y, label):
        return {
            features.POINT_X: float(x),
            features.POINT_Y: float(y),
            features.POINT_ROW: f"a.csv:{row}",
            features.POINT_LABEL_NAME: label,
        }

    positive = [("10", 3.0, 0.5), ("11", 0.625, 4.0), ("14", -1.5, 2.0), ("17", 2.0, 3.0)]
    negative = [("12", -2.0, 1), ("13", 0.25, -1), ("15", 0.75, 0), ("16 <script>", 1.5, 0)]
    test = [point(*one, "positive") for one in positive]
    test += [point(*one, "negative") for one in negative]
    train = [point(row, row % 3, row / 2, "negative") for row in range(2, 9)]
    return {"train": train, "test": sorted(test, key=lambda one: one[features.POINT_ROW])}


EXAMPLES = {"image_classification": labelled, "image_segmentation": masked, "points": pointed}


def figure(metric, value, **others):
    """An entry of `artifacts.FIGURES`; `of` is its class."""
    entry = {"metric": metric, "value": value, "class": others.pop("of", None), "slice": "overall"}
    return entry | {"examples": 40, "lower": None, "upper": None, "baseline": None} | others


def check(metric, bound, value, ok, message):
    named = {"metric": metric, "bound": bound, "value": value, "ok": ok, "message": message}
    return {"class": None, "slice": "overall", "kind": "min", **named}


INGEST = {"found": 1234, "accepted": 1230, "missing": 0, "notes": [], "classes": ["cat", "dog"]}
INGEST |= {
    "quarantined": {"unreadable": 3, "duplicate": 1},
    "splits": {"train": 1000, "eval": 130, "test": 100},
}
REFUSED = [
    {"path": "Cat/666.jpg", "reason": "unreadable", "detail": "no picture"},
    {"path": "Dog/7.jpg", "reason": "duplicate", "detail": "same as Dog/6.jpg"},
]
HISTORY = {"model": "mini_xception", "parameters": 721857, "monitor": "val_loss", "best_epoch": 1}
HISTORY |= {"seed": 1337, "test_time_flip": False, "temperature": None}
HISTORY["epochs"] = [
    {"epoch": 1, "seconds": 61.0, "loss": 0.7, "val_loss": 0.61239},
    {"epoch": 2, "seconds": 60.0, "loss": 0.5, "val_loss": float("nan")},
]
FIGURES = {
    "blessed": True,
    "baseline": None,
    "figures": [figure("accuracy", 0.8734567, lower=0.81249, upper=0.9)],
    "checks": [check("accuracy", 0.7, 0.8734567, True, "accuracy 0.873 reaches 0.7")],
    "sanity": [],
    "confusion": {"classes": ["cat", "dog"], "rows": [[1900, 41], [52, 7]]},
    "top_confusions": [{"true": "dog", "predicted": "cat", "count": 52}],
    "roc": [
        {"threshold": 1.0, "false_positive_rate": 0.0, "recall": 0.0},
        {"threshold": 0.0, "false_positive_rate": 1.0, "recall": 1.0},
    ],
}


class Case:
    """What the earlier steps say; a test changes what it is about."""

    def __init__(
        self, task="image_classification", *, classes=None, examples=None, recipe=None, refused=None
    ):
        self.task, self.classes, self.recipe = task, classes or CLASSES[task], recipe or {}
        self.examples = EXAMPLES[task]() if examples is None else examples
        self.ingest, self.history, self.figures = map(deepcopy, (INGEST, HISTORY, FIGURES))
        self.refused = deepcopy(REFUSED) if refused is None else refused


def write_facts(case, folder):
    """Writes what the earlier steps tell below a folder."""
    lines = "".join(json.dumps(entry) + "\n" for entry in case.refused)
    for path, content in {
        f"quarantine/{artifacts.INGEST_SUMMARY}": json.dumps(case.ingest).encode(),
        f"quarantine/{artifacts.QUARANTINED}": lines.encode(),
        f"model_run/{artifacts.HISTORY}": json.dumps(case.history).encode(),
        f"model_run/{artifacts.CURVES}": tf.io.encode_png(plain((250,) * 3, 1600, 600)).numpy(),
        f"evaluation/{artifacts.FIGURES}": json.dumps(case.figures).encode(),
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)


@dataclass
class Kit:
    """What the tests build with."""

    saved: object  # (task, classes) -> its Model
    write_examples: object
    make_artifact: object
    run_step: object
    folder: Path
    Case = Case
    image_example = staticmethod(image_example)
    plain = staticmethod(plain)
    figure = staticmethod(figure)
    check = staticmethod(check)

    def of_many(self, count):
        """A classifier's case with more classes than a page has room for."""
        names = tuple(f"kind {number:03d}" for number in range(count))
        examples = [
            image_example(f"{name}/{number}.png", plain((60 + number, 10, 50)), name)
            for number, name in enumerate(names[:60])
        ]
        case = Case(classes=Classes(names), examples={"train": examples, "test": examples})
        case.ingest["classes"] = names
        case.figures["figures"] += [
            figure(metric, (count - number) / count, of=name)
            for metric in ("f1", "recall")
            for number, name in enumerate(names)
        ]
        rows = np.diag(np.arange(count)).tolist() if count <= 50 else None
        case.figures["confusion"] = {"classes": names, "rows": rows}
        case.figures["top_confusions"] = [{"true": names[3], "predicted": names[4], "count": 1234}]
        case.figures["roc"] = None
        return case

    def page(self, case, images=4):
        """The report's page."""
        return Path(self.outputs(case, images)["report"].uri) / artifacts.REPORT_PAGE

    def facts_page(self, case):
        """The page without what a model makes of Examples."""
        write_facts(case, self.folder)
        facts = report.read_facts(
            *(str(self.folder / key) for key in ("quarantine", "model_run", "evaluation"))
        )
        shown = {"examples": [], "predictions": Predictions(0, []), "legend": []}
        path = self.folder / artifacts.REPORT_PAGE
        task = get_task(case.task)
        path.write_bytes(report.render(pipeline_name="p", task=task, facts=facts, **shown))
        return path

    def outputs(self, case, images=4):
        """Runs `Do` with real artifacts; returns its outputs."""
        write_facts(case, self.folder)
        splits = {split: case.examples.get(split, []) for split in features.SPLITS}
        inputs = {key: self.make_artifact(INPUTS[key].type, self.folder / key) for key in INPUTS}
        inputs["model"] = self.saved(case.task, case.classes)
        inputs["examples"] = self.write_examples(self.folder / "examples", splits, case.classes)
        return self.run_step(
            Interpreter,
            self.folder,
            inputs,
            pipeline_name="cats_vs_dogs",
            task=case.task,
            config=InterpreterConfig(images=images),
            recipe=json.dumps(case.recipe),
        )


@pytest.fixture(scope="session")
def saved(tmp_path_factory, save_model):
    @cache
    def save(task, classes):
        return save_model(tmp_path_factory.mktemp("model"), MODELS[task](classes.names))

    return save


@pytest.fixture
def kit(saved, write_examples, make_artifact, run_step, tmp_path):
    return Kit(saved, write_examples, make_artifact, run_step, tmp_path)
