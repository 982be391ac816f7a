"""What an explanation costs: over a prediction, and against the library tf-keras-vis.

- `grad_cam`: the endpoint `grad_cam` takes at most 1.10 of `serving_default`, p50, batch 1,
  heatmap only, both behind the embedded server and taken in turn, with every method but Score-CAM.
  The limit is meant for classifiers, whose head is one layer; a segmenter's head is its whole
  decoder, which has to be differentiated.
- `grad_cam_library`: tf-keras-vis's `Gradcam` in this process takes at least 8 times as long as
  the endpoint over gRPC, from the same encoded image to a heatmap of the model's input size,
  for the same class, layer and score (the logit); and finds the same heatmap, to 1e-4. Compared
  are the maps at the layer's own resolution, after the same resize and division by the maximum:
  the two stretch a map differently (SciPy's `zoom` aligns the corners of the grid), and
  tf-keras-vis subtracts the minimum.

The weights are untrained: they change the numbers, not the work. Takes about two minutes.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import draw_images, export, image_input, serving
from benchmarks.tools import Result, benchmark, in_turn, milliseconds, timed
from serving import names
from serving.client import ImageClient

MODELS = (  # with side, rounds and method
    ("mini_xception", 180, 150, "grad_cam"),
    ("mini_xception", 180, 150, "grad_cam_plus_plus"),
    ("mini_xception", 180, 150, "hires_cam"),
    ("segmentation_convnet", 200, 25, "grad_cam"),
)
LIBRARY_ROUNDS = 15
LIMIT, LIBRARY_LIMIT, TOLERANCE = 1.10, 8.0, 1e-4
WARM_UP = 5


def measure(folder: Path, rounds: int) -> Iterator[Result]:
    from components import models

    [image] = draw_images(folder / "images", 1)
    inputs = image_input(image)
    for name, image_size, enough, method in MODELS:
        base = folder / method / name
        model = export(name, image_size, base / "1", explanation=method)
        classifies = models.spec(name).task == "image_classification"
        with serving(name, base) as server, ImageClient(server.target, name) as client:
            predict = partial(client.call, names.SIGNATURE_SERVING, inputs)

            def heatmap(client: Any = client, **more: np.ndarray) -> np.ndarray:
                asked = {**inputs, **more}
                answer = client.call(names.SIGNATURE_GRAD_CAM, asked, [names.OUTPUT_HEATMAP])
                return answer[names.OUTPUT_HEATMAP]

            result = over_prediction(predict, heatmap, rounds or enough)
            told = {"model": name, "method": method}
            yield told | result | {"limit": LIMIT if classifies else None}
            if classifies and method == "grad_cam":
                yield {"model": name} | over_library(name, model, image, heatmap)


def over_prediction(predict: Callable[[], Any], explain: Callable[[], Any], rounds: int) -> Result:
    """Times of both endpoints, taken in turn."""
    actions = {"predict": partial(timed, predict), "explain": partial(timed, explain)}
    times = in_turn(actions, rounds, WARM_UP)
    predicting, explaining = milliseconds(times["predict"]), milliseconds(times["explain"])
    return {
        "serving_default_p50_ms": predicting,
        "grad_cam_p50_ms": explaining,
        "ratio": round(explaining / predicting, 3),
    }


def over_library(name: str, model: Any, image: bytes, heatmap: Callable[..., np.ndarray]) -> Result:
    """Times and heatmaps of tf-keras-vis and of the endpoint, for both classes."""
    import tensorflow as tf

    library, layer_map = library_gradcam(name, model, image)
    differences = []
    for dog in (False, True):
        index = {names.INPUT_CLASS_INDEX: np.array([int(dog)], np.int32)}
        served = heatmap(**index)
        resized = tf.image.resize(layer_map(dog)[..., np.newaxis], served.shape[1:])[..., 0]
        expected = tf.math.divide_no_nan(resized, tf.reduce_max(resized)).numpy()
        differences.append((float(expected.max()), float(np.abs(served - expected).max())))
        library(dog)
    actions = {"ours": lambda: heatmap(**index), "theirs": lambda: library(True)}
    times = in_turn({who: partial(timed, act) for who, act in actions.items()}, LIBRARY_ROUNDS)
    ours, theirs = milliseconds(times["ours"]), milliseconds(times["theirs"])
    # Nothing speaks for a class where its map is zero: two such maps would show nothing.
    assert any(peak == 1.0 for peak, _ in differences)
    return {
        "benchmark": "grad_cam_library",
        "grad_cam_p50_ms": ours,
        "tf_keras_vis_p50_ms": theirs,
        "times_faster": round(theirs / ours, 2),
        "limit_at_least": LIBRARY_LIMIT,
        "heatmap_difference": max(difference for _, difference in differences),
        "tolerance": TOLERANCE,
    }


def library_gradcam(
    name: str, model: Any, image: bytes
) -> tuple[Callable[[bool], np.ndarray], Callable[[bool], np.ndarray]]:
    """tf-keras-vis on an encoded image, by whether "dog" is explained, else "cat".

    Returns:
        One function for the heatmap at the model's input size, as the library is used, one for
        the map at the explained layer's own size, before it is normalised.
    """
    import keras
    import tensorflow as tf
    from tf_keras_vis.gradcam import Gradcam

    from components import models
    from components.preprocessing import decode_images

    spec, image_size = models.spec(name), model.inputs[0].shape[1]
    logits = keras.Model(model.inputs, model.get_layer(spec.logits_layer).output)
    gradcam = Gradcam(logits, clone=False)

    def explain(dog: bool, **options: bool) -> np.ndarray:
        return gradcam(
            # One logit for two classes: what speaks for the one speaks against the other.
            lambda output: output[:, 0] if dog else -output[:, 0],
            decode_images(tf.constant([image]), image_size),
            penultimate_layer=spec.grad_cam_layer,
            seek_penultimate_conv_layer=False,
            **options,
        )

    return explain, lambda dog: np.asarray(explain(dog, expand_cam=False, normalize_cam=False))


if __name__ == "__main__":
    benchmark(measure, rounds=0)  # of both endpoints; 0: as many as above
