"""Maps and grades by Quantus 0.6 and Xplique 2.0 on what ours are made of.

`test_references.py` runs it with tests/explainers.lock on the path. Prints a JSON object, by name
what is ours and what is theirs.
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

SIDE, COUNT = 60, 4  # 3600 pixels come in equal steps
LABELS = np.array([0, 1, 2, 1])
TARGETS = np.eye(3, dtype=np.float32)[LABELS]
rng = np.random.default_rng(0)
images = rng.uniform(0, 255, (COUNT, SIDE, SIDE, 3)).astype(np.float32)
found = {}

# The explained map is as large as the picture: libraries stretch maps in ways of their own.
keras.utils.set_random_seed(1)
inputs = keras.Input((SIDE, SIDE, 3))
seen = keras.layers.Conv2D(6, 3, padding="same", activation="relu", name="seen")(inputs / 255)
x = keras.layers.AveragePooling2D(6)(keras.layers.Activation("tanh")(seen))
logits = keras.layers.Dense(
    3, kernel_initializer=keras.initializers.RandomNormal(0, 1), name="logits"
)(keras.layers.Flatten()(x))
model = keras.Model(inputs, keras.layers.Softmax()(logits))

# Xplique's Grad-CAM++ has the mean of the features where equation 19 has their sum. A score
# multiplied by the number of cells, and so its gradients, makes up for it.
cam = GradCAM(keras.Model(inputs, logits), conv_layer="seen")
plus_plus = GradCAMPP(keras.Model(inputs, logits * float(SIDE**2)), conv_layer="seen")
# HiResCAM is gradient times input where the features are the input.
product = GradientInput(keras.Model(seen, logits), reducer="sum")
theirs = {
    "grad_cam": cam(images, TARGETS),
    "grad_cam_plus_plus": plus_plus(images, TARGETS),
    "hires_cam": product(keras.Model(inputs, seen)(images), TARGETS),
}
for name, one in theirs.items():
    halves = split_model(model, "seen", "logits")
    own, _ = getattr(methods, name)(
        *halves, tf.constant(images), lambda logits, _: methods.class_score(logits, LABELS)
    )
    other = np.maximum(np.asarray(one).reshape(COUNT, SIDE, SIDE), 0)
    other /= other.max(axis=(1, 2), keepdims=True)
    found[name] = methods.heatmaps(own, (SIDE, SIDE)).numpy(), other


def area(metric, at, heat):
    told = {"steps": grades.STEPS, "baseline_mode": lambda pictures: coarse[at : at + 1]}
    return metric(model, images[at : at + 1], TARGETS[at : at + 1], **told)(heat[at : at + 1])


# What one map has above another: of the blob, which falls out, equal pixels come in any order.
coarse = gaussian_filter(images, (0, SIDE / 10, SIDE / 10, 0), mode="nearest")
heat = rng.uniform(0, 1, (2, COUNT, SIDE, SIDE)).astype(np.float32)
heat[0, :, : SIDE // 2] += 0.5
asked = SimpleNamespace(predict=lambda pictures: model(pictures).numpy())
own = [grades.faithfulness(asked, images, LABELS, one) for one in heat]
other = [[area(Insertion, k, one) - area(Deletion, k, one) for k in range(COUNT)] for one in heat]
found["insertion_minus_deletion"] = own[0] - own[1], np.subtract(*other)

masks = np.zeros((COUNT, SIDE, SIDE), bool)
for at in range(COUNT):
    masks[at, 10 * at : 10 * at + 20, 5 : 30 + 5 * at] = True
heat = heat[1]
heat[:2] += masks[:2] / 2
mass, ranks, hit = (
    np.array(
        one(normalise=False)(None, images, LABELS, a_batch=heat[:, None], s_batch=masks[:, None]),
        float,
    )
    for one in (quantus.RelevanceMassAccuracy, quantus.RelevanceRankAccuracy, quantus.PointingGame)
)
found["pointing"] = grades.pointing(heat, masks), hit
found["energy"] = grades.energy_above_area(heat, masks), mass - masks.mean(axis=(1, 2))
# Their rank accuracy is the share of the mask that is among as many hottest pixels.
found["iou"] = grades.iou(heat, masks), ranks / (2 - ranks)

pair = np.maximum(rng.normal(0, 1, (2, COUNT, SIDE, SIDE)), 0)
pair[1, :2] += pair[0, :2]
other = quantus.correlation_spearman(*pair.reshape(2, COUNT, -1), batched=True)
found["spearman"] = rank_correlation(*pair), other
print(json.dumps({name: np.array(both, float).tolist() for name, both in found.items()}))
