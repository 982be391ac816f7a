"""Tiny models with the real signatures, tiny Examples, and the files of the earlier steps."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils, standard_artifacts

from components import artifacts, features, preprocessing
from components.datasets import Point
from components.example_gen.convert_point import convert_point
from components.interpreter.executor import Executor
from serving import names

SIDE = 16

RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def plain(color, width=24, height=18):
    return np.broadcast_to(np.asarray(color, np.uint8), (height, width, 3))


def overlays(images):
    pixels = tf.cast(images, tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)


BYTES = tf.TensorSpec([None], tf.string, name=names.INPUT_IMAGE_BYTES)
INDEX = tf.TensorSpec([], tf.int32, name=names.INPUT_CLASS_INDEX)


class Classifier(tf.Module):
    """Says dog where a picture has more red than blue."""

    def score(self, image_bytes):
        images = preprocessing.decode_images(image_bytes, SIDE)
        means = tf.reduce_mean(images, axis=[1, 2])
        dog = tf.sigmoid((means[:, 0] - means[:, 2]) / 50.0)
        probabilities = tf.stack([1 - dog, dog], axis=1)
        labels = tf.gather(tf.constant(features.CLASS_NAMES), tf.argmax(probabilities, axis=1))
        return images, labels, probabilities

    @tf.function(input_signature=[BYTES])
    def serve(self, image_bytes):
        _, labels, probabilities = self.score(image_bytes)
        return {
            names.OUTPUT_LABEL: labels,
            names.OUTPUT_PROBABILITY: tf.reduce_max(probabilities, axis=1),
            names.OUTPUT_PROBABILITIES: probabilities,
        }

    @tf.function(input_signature=[BYTES, INDEX])
    def grad_cam(self, image_bytes, class_index):
        images, labels, probabilities = self.score(image_bytes)
        named = tf.gather(tf.constant(features.CLASS_NAMES), tf.maximum(class_index, 0))
        return {
            names.OUTPUT_HEATMAP: images[..., 0] / 255.0,
            names.OUTPUT_OVERLAY_PNG: overlays(images),
            names.OUTPUT_LABEL: labels if class_index < 0 else tf.fill(tf.shape(labels), named),
            names.OUTPUT_PROBABILITY: tf.reduce_max(probabilities, axis=1),
        }


class Segmenter(tf.Module):
    """Says foreground where red is strongest, background where green is, contour where blue is."""

    @tf.function(input_signature=[BYTES])
    def serve(self, image_bytes):
        images = preprocessing.decode_images(image_bytes, SIDE)
        mask = tf.cast(tf.argmax(images, axis=-1), tf.uint8)
        return {
            names.OUTPUT_MASK: mask,
            names.OUTPUT_MASK_PNG: overlays(mask[..., None]),
            names.OUTPUT_CLASS_FRACTIONS: tf.reduce_mean(tf.one_hot(mask, 3), axis=[1, 2]),
        }

    @tf.function(input_signature=[BYTES, INDEX])
    def grad_cam(self, image_bytes, class_index):
        images = preprocessing.decode_images(image_bytes, SIDE)
        name = tf.gather(tf.constant(features.MASK_CLASS_NAMES), class_index)
        return {
            names.OUTPUT_HEATMAP: images[..., 0] / 255.0,
            names.OUTPUT_OVERLAY_PNG: overlays(images),
            names.OUTPUT_LABEL: tf.fill(tf.shape(image_bytes), name),
            names.OUTPUT_PROBABILITY: tf.ones(tf.shape(image_bytes)),
        }


class PointModel(tf.Module):
    """The score of a point is its x."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, names.INPUT_POINTS)])
    def serve(self, points):
        names = tf.constant(features.POINT_CLASS_NAMES)
        label = tf.gather(names, tf.cast(points[:, 0] > 0.5, tf.int32))
        return {names.OUTPUT_LABEL: label, names.OUTPUT_SCORE: points[:, 0]}


def save(module, folder):
    signatures = {names.SIGNATURE_SERVING: module.serve}
    if hasattr(module, "grad_cam"):
        signatures[names.SIGNATURE_GRAD_CAM] = module.grad_cam
    # TFX's layout of a Model artifact.
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures=signatures)
    return folder


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory):
    return save(Classifier(), tmp_path_factory.mktemp("classifier"))


@pytest.fixture(scope="session")
def segmenter_folder(tmp_path_factory):
    return save(Segmenter(), tmp_path_factory.mktemp("segmenter"))


@pytest.fixture(scope="session")
def point_model_folder(tmp_path_factory):
    return save(PointModel(), tmp_path_factory.mktemp("point_model"))


def record(filename, pixels, label=None, mask=None):
    """One serialized Example."""
    height, width = pixels.shape[:2]
    values = {
        features.IMAGE: png(pixels),
        features.WIDTH: width,
        features.HEIGHT: height,
        features.FILENAME: filename.encode(),
    }
    if label is not None:
        values[features.LABEL] = features.CLASS_NAMES.index(label)
        values[features.LABEL_NAME] = label.encode()
    if mask is not None:
        values[features.MASK] = png(mask)
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                key: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                if isinstance(value, int)
                else tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in values.items()
            }
        )
    ).SerializeToString()


def figure(metric, value, **others):
    defaults = {
        "class": None,
        "slice": "overall",
        "examples": 40,
        "lower": None,
        "upper": None,
        "baseline": None,
    }
    return {"metric": metric, "value": value, **defaults, **others}


def check(metric, bound, value, ok, message):
    named = {"metric": metric, "bound": bound, "value": value, "ok": ok, "message": message}
    return {"class": None, "slice": "overall", "kind": "min", **named}


@dataclass
class Case:
    """What the earlier steps say; a test changes what it is about."""

    records: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    ingest: dict = field(
        default_factory=lambda: {
            "found": 1234,
            "accepted": 1230,
            "quarantined": {"unreadable": 3, "duplicate": 1},
            "splits": {"train": 1000, "eval": 130, "test": 100},
        }
    )
    refused: list = field(
        default_factory=lambda: [
            {"path": "Cat/666.jpg", "reason": "unreadable", "detail": "no picture"},
            {"path": "Dog/7.jpg", "reason": "duplicate", "detail": "same as Dog/6.jpg"},
        ]
    )
    history: dict = field(
        default_factory=lambda: {
            "model": "mini_xception",
            "parameters": 721857,
            "seed": 1337,
            "test_time_flip": False,
            "monitor": "val_loss",
            "best_epoch": 1,
            "epochs": [
                {"epoch": 1, "seconds": 61.0, "loss": 0.7, "val_loss": 0.61239},
                {"epoch": 2, "seconds": 60.0, "loss": 0.5, "val_loss": float("nan")},
            ],
        }
    )
    figures: dict = field(
        default_factory=lambda: {
            "blessed": True,
            "baseline": None,
            "figures": [figure("accuracy", 0.8734567, lower=0.81249, upper=0.9)],
            "checks": [check("accuracy", 0.7, 0.8734567, True, "accuracy 0.873 reaches 0.7")],
            "confusion": {"classes": ["cat", "dog"], "rows": [[1900, 41], [52, 7]]},
            "roc": [
                {"threshold": 1.0, "false_positive_rate": 0.0, "recall": 0.0},
                {"threshold": 0.5, "false_positive_rate": 0.25, "recall": 0.75},
                {"threshold": 0.0, "false_positive_rate": 1.0, "recall": 1.0},
            ],
        }
    )


def write_inputs(case, folder):
    """Writes all inputs but the model below a folder."""
    for split in features.SPLITS:
        split_folder = folder / "examples" / f"Split-{split}"
        split_folder.mkdir(parents=True)
        with tf.io.TFRecordWriter(
            str(split_folder / "data_tfrecord-00000-of-00001.gz"), options="GZIP"
        ) as writer:
            for serialized in case.records.get(split, []):
                writer.write(serialized)
    for name in ("quarantine", "model_run", "evaluation"):
        (folder / name).mkdir()
    (folder / "quarantine" / artifacts.INGEST_SUMMARY).write_text(json.dumps(case.ingest))
    lines = "".join(json.dumps(entry) + "\n" for entry in case.refused)
    (folder / "quarantine" / artifacts.QUARANTINED).write_text(lines)
    (folder / "model_run" / artifacts.HISTORY).write_text(json.dumps(case.history))
    (folder / "model_run" / artifacts.CURVES).write_bytes(png(plain((250, 250, 250), 1600, 600)))
    (folder / "evaluation" / artifacts.FIGURES).write_text(json.dumps(case.figures))


def artifact(artifact_type, folder: Path):
    made = artifact_type()
    made.uri = str(folder)
    return made


def run_executor(case, problem, pictures, model_folder, folder):
    """Runs `Do` with real artifacts; returns its outputs."""
    write_inputs(case, folder)
    examples = artifact(standard_artifacts.Examples, folder / "examples")
    examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
    outputs = {
        "report": [artifact(artifacts.Report, folder / "report")],
        "page": [artifact(artifacts.HTML, folder / "page")],
        "metrics": [artifact(artifacts.Metrics, folder / "metrics")],
        "classification_metrics": [
            artifact(artifacts.ClassificationMetrics, folder / "classification_metrics")
        ],
    }
    Executor().Do(
        {
            "examples": [examples],
            "quarantine": [artifact(artifacts.Quarantine, folder / "quarantine")],
            "model": [artifact(standard_artifacts.Model, model_folder)],
            "model_run": [artifact(standard_artifacts.ModelRun, folder / "model_run")],
            "evaluation": [artifact(standard_artifacts.ModelEvaluation, folder / "evaluation")],
        },
        outputs,
        {
            "pipeline_name": "cats_vs_dogs",
            "problem": problem,
            "pictures": pictures,
            "recipe": json.dumps(case.recipe),
        },
    )
    return {key: made for key, (made,) in outputs.items()}


def labelled():
    """Four right ones of both classes, two wrong ones, in a test split of six."""
    return {
        "train": [
            record("Cat/1.png", plain(BLUE), "cat"),
            record("Dog/1.png", plain(RED), "dog"),
            record("Dog/2 <script>alert(1)</script>.png", plain(RED), "dog"),
        ],
        "test": [
            record("Cat/10.png", plain(BLUE), "cat"),
            record("Cat/11.png", plain((90, 10, 110)), "cat"),
            record("Cat/12 <img src=x onerror=alert(1)>.png", plain(RED), "cat"),
            record("Dog/10.png", plain(RED), "dog"),
            record("Dog/11.png", plain((110, 10, 90)), "dog"),
            record("Dog/12.png", plain((90, 10, 110)), "dog"),
        ],
    }


def half_mask(split_at):
    """24 x 18: foreground left of a column, background from it on."""
    mask = np.ones((18, 24), np.uint8)
    mask[:, :split_at] = 0
    return mask


def masked():
    """A picture that is half red, half green, with masks that fit it better and worse."""
    halves = plain(GREEN).copy()
    halves[:, :12] = RED
    return {
        "train": [record("images/a.png", halves, mask=half_mask(12))],
        "test": [
            record(f"images/{split_at:02d}.png", halves, mask=half_mask(split_at))
            for split_at in (0, 4, 8, 12, 16, 20)
        ],
    }


def point_record(row, x, y, label):
    """One serialized Example of a point."""
    return convert_point(Point(row, x, y, features.POINT_CLASS_NAMES.index(label))).example


def pointed():
    """Five right ones, of which two close to the line, and three wrong ones."""
    return {
        "train": [point_record(f"a.csv:{n}", n % 3, n / 2, "negative") for n in range(2, 9)],
        "test": [
            point_record("a.csv:10", 3.0, 0.5, "positive"),
            point_record("a.csv:11", 0.625, 4.0, "positive"),
            point_record("a.csv:12", -2.0, 1.0, "negative"),
            point_record("a.csv:13", 0.25, -1.0, "negative"),
            point_record("a.csv:14", -1.5, 2.0, "positive"),
            point_record("a.csv:15", 0.75, 0.0, "negative"),
            point_record("a.csv:16 <b>", 1.5, 0.0, "negative"),
            point_record("a.csv:17", 2.0, 3.0, "positive"),
        ],
    }


@dataclass
class Kit:
    """What the tests build with."""

    classifier: Path
    segmenter: Path
    point_model: Path
    folder: Path
    Case = Case
    record = staticmethod(record)
    plain = staticmethod(plain)
    png = staticmethod(png)
    figure = staticmethod(figure)
    check = staticmethod(check)
    labelled = staticmethod(labelled)
    masked = staticmethod(masked)
    pointed = staticmethod(pointed)

    def page(self, case, problem="classification", pictures=4):
        """The report's page."""
        made = self.outputs(case, problem, pictures)
        return Path(made["report"].uri) / artifacts.REPORT_PAGE

    def outputs(self, case, problem="classification", pictures=4):
        models = {
            "classification": self.classifier,
            "segmentation": self.segmenter,
            "points": self.point_model,
        }
        return run_executor(case, problem, pictures, models[problem], self.folder)


@pytest.fixture
def kit(classifier_folder, segmenter_folder, point_model_folder, tmp_path):
    return Kit(classifier_folder, segmenter_folder, point_model_folder, tmp_path)
