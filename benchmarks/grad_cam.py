"""What an explanation costs: over a prediction, and against the library tf-keras-vis.

- `grad_cam`: the endpoint `grad_cam` takes at most 1.10 of `serving_default`, p50, batch 1,
  heatmap only, both behind the embedded server and taken in turn. The limit is meant for
  classifiers, whose head is one layer; a segmenter's head is its whole decoder, which has to be
  differentiated.
- `grad_cam_library`: tf-keras-vis's `Gradcam` in this process takes at least 8 times as long as
  the endpoint over gRPC, from the same encoded picture to a heatmap of the model's input size,
  for the same class, layer and score (the logit); and finds the same heatmap, to 1e-4. Compared
  are the maps at the layer's own resolution, after the same resize and division by the maximum:
  the two stretch a map differently (SciPy's `zoom` aligns the corners of the grid), and
  tf-keras-vis subtracts the minimum.

The weights are untrained: they change the numbers, not the work. Takes about two minutes.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving import (
    draw_pictures,
    export,
    milliseconds,
    picture_input,
    serving,
    timed,
)
from serving import names

MODELS = (("mini_xception", 180, 150), ("segmentation_convnet", 200, 25))  # with side and rounds
LIBRARY_ROUNDS = 15
LIMIT, LIBRARY_LIMIT, TOLERANCE = 1.10, 8.0, 1e-4
WARM_UP = 5


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grad_cam")
    parser.add_argument("--rounds", type=int, help="of both endpoints, for every model")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for model, image_size, rounds in MODELS:
        with tempfile.TemporaryDirectory() as scratch:
            for result in measure(model, image_size, args.rounds or rounds, Path(scratch)):
                print(json.dumps(result), flush=True)


def measure(name: str, image_size: int, rounds: int, folder: Path) -> list[dict[str, Any]]:
    import keras

    from components import models
    from serving.client import ImageClient

    [picture] = draw_pictures(folder / "pictures", 1)
    keras.utils.set_random_seed(1)
    model = models.build(name, image_size)
    export(model, name, image_size, folder / "base" / "1")
    inputs = picture_input(picture)
    with serving(name, folder / "base") as server, ImageClient(server.target, name) as client:

        def heatmap(**more: np.ndarray) -> np.ndarray:
            return client.call(
                names.SIGNATURE_GRAD_CAM, {**inputs, **more}, [names.OUTPUT_HEATMAP]
            )[names.OUTPUT_HEATMAP]

        results = [
            over_prediction(
                name, lambda: client.call(names.SIGNATURE_SERVING, inputs), heatmap, rounds
            )
        ]
        if models.spec(name).task == "image_classification":
            results.append(over_library(name, model, picture, heatmap))
    return results


def over_prediction(
    name: str, predict: Callable[[], Any], explain: Callable[[], Any], rounds: int
) -> dict[str, Any]:
    """Times of both endpoints, taken in turn."""
    from components import models

    predicting, explaining = [], []
    for number in range(WARM_UP + rounds):
        times = timed(predict), timed(explain)
        if number >= WARM_UP:
            predicting.append(times[0])
            explaining.append(times[1])
    ratio = milliseconds(explaining) / milliseconds(predicting)
    return {
        "benchmark": "grad_cam",
        "model": name,
        "serving_default_p50_ms": milliseconds(predicting),
        "grad_cam_p50_ms": milliseconds(explaining),
        "ratio": round(ratio, 3),
        "limit": LIMIT if models.spec(name).task == "image_classification" else None,
    }


def over_library(
    name: str, model: Any, picture: bytes, heatmap: Callable[..., np.ndarray]
) -> dict[str, Any]:
    """Times and heatmaps of tf-keras-vis and of the endpoint, for both classes."""
    import tensorflow as tf

    library, layer_map = library_gradcam(name, model, picture)
    ours, theirs, differences = [], [], []
    for dog in (False, True):
        index = {names.INPUT_CLASS_INDEX: np.array([int(dog)], np.int32)}
        served = heatmap(**index)
        resized = tf.image.resize(layer_map(dog)[..., np.newaxis], served.shape[1:])[..., 0]
        expected = tf.math.divide_no_nan(resized, tf.reduce_max(resized)).numpy()
        differences.append((float(expected.max()), float(np.abs(served - expected).max())))
        library(dog)
    for _ in range(LIBRARY_ROUNDS):
        ours.append(timed(lambda: heatmap(**index)))
        theirs.append(timed(lambda: library(True)))
    # Nothing speaks for a class where its map is zero: two such maps would show nothing.
    assert any(peak == 1.0 for peak, _ in differences)
    return {
        "benchmark": "grad_cam_library",
        "model": name,
        "grad_cam_p50_ms": milliseconds(ours),
        "tf_keras_vis_p50_ms": milliseconds(theirs),
        "times_faster": round(milliseconds(theirs) / milliseconds(ours), 2),
        "limit_at_least": LIBRARY_LIMIT,
        "heatmap_difference": max(difference for _, difference in differences),
        "tolerance": TOLERANCE,
    }


def library_gradcam(
    name: str, model: Any, picture: bytes
) -> tuple[Callable[[bool], np.ndarray], Callable[[bool], np.ndarray]]:
    """tf-keras-vis on an encoded picture, by whether "dog" is explained, else "cat".

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
            decode_images(tf.constant([picture]), image_size),
            penultimate_layer=spec.grad_cam_layer,
            seek_penultimate_conv_layer=False,
            **options,
        )

    return explain, lambda dog: np.asarray(explain(dog, expand_cam=False, normalize_cam=False))


if __name__ == "__main__":
    main()
