"""Maps and grades by Quantus 0.6 and Xplique 2.0 on the same model and pictures.

A program that `test_references.py` runs with tests/explainers.lock on the path: prints a JSON
object, by name what is ours and what is theirs.
"""

import json
from types import SimpleNamespace

import keras
import numpy as np
import quantus
import tensorflow as tf
from scipy.ndimage import gaussian_filter
from xplique.attributions import GradCAM, GradCAMPP, GradientInput
from xplique.metrics import Deletion, Insertion

from components.explanations import grades, methods
from components.explanations.cutting import split_model
from components.explanations.sanity import rank_correlation

SIDE, COUNT, CLASSES = 60, 4, 3  # 3600 pixels come in equal steps


def main() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (COUNT, SIDE, SIDE, 3)).astype(np.float32)
    labels = np.array([0, 1, 2, 1])
    model = built()
    found = {**maps(model, images, labels), **curves(model, images, labels, rng)}
    found |= {**on_masks(rng), "focus": mosaics(model, rng)}
    heat = np.maximum(rng.normal(0, 1, (2, COUNT, SIDE, SIDE)), 0)
    theirs = quantus.correlation_spearman(*heat.reshape(2, COUNT, -1), batched=True)
    found["spearman"] = rank_correlation(*heat), theirs
    print(json.dumps({name: np.array(pair, float).tolist() for name, pair in found.items()}))


def built() -> keras.Model:
    """The explained map is as large as the picture: libraries stretch maps in different ways."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="seen")(x)
    x = keras.layers.AveragePooling2D(6)(keras.layers.Activation("tanh")(x))
    logits = keras.layers.Dense(CLASSES, name="logits")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Softmax()(logits))


def maps(model, images, labels):
    """Xplique's Grad-CAM and Grad-CAM++; HiResCAM is its gradient times input, of the features.

    Its Grad-CAM++ has the mean of the features where equation 19 has their sum. The score is
    multiplied by the number of cells, and so are the gradients, which makes up for it.
    """
    halves = split_model(model, "seen", "logits")
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    logits = keras.Model(model.input, model.get_layer("logits").output)
    scaled = keras.Model(model.input, logits.output * float(SIDE**2))
    seen = model.get_layer("seen").output
    theirs = {
        "grad_cam": GradCAM(logits, conv_layer="seen")(images, targets),
        "grad_cam_plus_plus": GradCAMPP(scaled, conv_layer="seen")(images, targets),
        "hires_cam": GradientInput(keras.Model(seen, logits.output), reducer="sum")(
            keras.Model(model.input, seen)(images), targets
        ),
    }
    found = {}
    for name, one in theirs.items():
        other = np.maximum(np.asarray(one).reshape(COUNT, SIDE, SIDE), 0)
        score = lambda logits, _: methods.class_score(logits, labels)  # noqa: E731
        own = getattr(methods, name)(*halves, tf.constant(images), score)[0]
        peaks = other.max(axis=(1, 2), keepdims=True)
        found[name] = methods.heatmaps(own, (SIDE, SIDE)).numpy(), other / peaks
    return found


def curves(model, images, labels, rng):
    """Insertion minus deletion of one map above that of another: the blob's falls out.

    The blob's own would differ: which of its equal pixels comes first is each one's choice.
    """
    asked = SimpleNamespace(predict=lambda pictures: model(pictures).numpy())
    one, other = rng.uniform(0, 1, (2, COUNT, SIDE, SIDE)).astype(np.float32)
    one[:, : SIDE // 2] += 0.5
    ours = [grades.faithfulness(asked, images, labels, heat) for heat in (one, other)]

    def coarse(pictures):
        return gaussian_filter(np.asarray(pictures), (0, SIDE / 10, SIDE / 10, 0), mode="nearest")

    def area(metric, at, heat):
        target = np.eye(CLASSES, dtype=np.float32)[labels[at : at + 1]]
        told = {"baseline_mode": coarse, "steps": grades.STEPS}
        return metric(model, images[at : at + 1], target, **told).evaluate(heat[at : at + 1])

    theirs = [
        [area(Insertion, at, heat) - area(Deletion, at, heat) for at in range(COUNT)]
        for heat in (one, other)
    ]
    return {"insertion_minus_deletion": (ours[0] - ours[1], np.subtract(*theirs))}


def on_masks(rng):
    """Quantus's rank accuracy is the share of the mask among as many hottest pixels."""
    heat = rng.uniform(0, 1, (COUNT, SIDE, SIDE))
    masks = np.zeros(heat.shape, bool)
    for at in range(COUNT):
        masks[at, 10 * at : 10 * at + 20, 5 : 30 + 5 * at] = True
    heat[:2] += masks[:2] / 2

    def theirs(metric):
        told = {"a_batch": heat[:, None], "s_batch": masks[:, None]}
        pictures = np.zeros((COUNT, SIDE, SIDE, 3))
        judge = metric(disable_warnings=True, normalise=False)
        return np.array(judge(None, pictures, np.zeros(COUNT, int), **told), float)

    mass, ranks = theirs(quantus.RelevanceMassAccuracy), theirs(quantus.RelevanceRankAccuracy)
    return {
        "pointing": (grades.pointing(heat, masks), theirs(quantus.PointingGame)),
        "energy": (grades.energy_above_area(heat, masks), mass - masks.mean(axis=(1, 2))),
        "iou": (grades.iou(heat, masks), ranks / (2 - ranks)),
    }


def mosaics(model, rng):
    """Quantus's Focus, which takes canvases that are laid already, on those that ours lays."""
    labels = np.array([0, 1] * COUNT)
    images = np.zeros((2 * COUNT, SIDE, SIDE, 3), np.float32)
    images[np.arange(2 * COUNT), ..., labels] = 255
    seen = {}

    def explain(canvases, classes):
        seen.update(canvases=canvases, classes=classes, heat=rng.uniform(0, 1, canvases.shape[:3]))
        return seen["heat"]

    ours = grades.mosaic(SimpleNamespace(explain=explain), images, labels, rivals=[1, 0])
    corners = seen["canvases"][:, [0, 0, -1, -1], [0, -1, 0, -1]]  # in Quantus's order
    on_class = corners.argmax(axis=-1) == seen["classes"][:, None]
    told = {"a_batch": seen["heat"][:, None], "custom_batch": on_class}
    judge = quantus.Focus(disable_warnings=True)
    return ours, judge(model, seen["canvases"], seen["classes"], **told)


if __name__ == "__main__":
    main()
