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

from benchmarks.serving import MODEL, build, draw_images, export, image_input, serving
from benchmarks.tools import Result, benchmark, in_turn, told
from serving import names
from serving.client import ImageClient

CASES = (  # with side, rounds, method and limit
    (MODEL, 180, 150, "grad_cam", 1.10),
    (MODEL, 180, 150, "grad_cam_plus_plus", 1.10),
    (MODEL, 180, 150, "hires_cam", 1.10),
    ("segmentation_convnet", 200, 25, "grad_cam", None),
)
LIBRARY_ROUNDS = 15
WARM_UP = 5


def measure(folder: Path, rounds: int = 0) -> Iterator[Result]:
    """Takes as many rounds of both endpoints as are told; 0: as above."""
    [image] = draw_images(folder / "images", 1)
    for name, image_size, enough, method, limit in CASES:
        base = folder / method / name
        model = build(name, image_size)
        export(model, base / "1", name, explanation=method)
        with serving(name, base) as server, ImageClient(server.target, name) as client:

            def heatmap(client: Any = client, **more: np.ndarray) -> np.ndarray:
                asked = image_input(image) | more
                answer = client.call(names.SIGNATURE_GRAD_CAM, asked, [names.OUTPUT_HEATMAP])
                return answer[names.OUTPUT_HEATMAP]

            predict = partial(client.call, names.SIGNATURE_SERVING, image_input(image))
            endpoints = {"serving_default": predict, "grad_cam": heatmap}
            result = told(in_turn(endpoints, rounds or enough, warm_up=WARM_UP), "serving_default")
            yield {"model": name, "method": method, **result, "limit": limit}
            if (name, method) == (MODEL, "grad_cam"):
                yield {"model": name} | over_library(name, model, image, heatmap)


def over_library(name: str, model: Any, image: bytes, heatmap: Callable[..., np.ndarray]) -> Result:
    """Times and heatmaps of tf-keras-vis and of the endpoint, for both classes."""
    import keras
    import tensorflow as tf
    from tf_keras_vis.gradcam import Gradcam

    from components import models
    from components.preprocessing import decode_images

    spec, image_size = models.spec(name), model.inputs[0].shape[1]
    logits = keras.Model(model.inputs, model.get_layer(spec.logits_layer).output)
    gradcam = Gradcam(logits, clone=False)

    def library(dog: bool, **options: bool) -> np.ndarray:
        """As the library is used: the heatmap at the model's input size."""
        return gradcam(
            # One logit for two classes: what speaks for the one speaks against the other.
            lambda output: output[:, 0] if dog else -output[:, 0],
            decode_images(tf.constant([image]), image_size),
            penultimate_layer=spec.grad_cam_layer,
            seek_penultimate_conv_layer=False,
            **options,
        )

    peaks, differences = [], []
    for dog in (False, True):
        index = {names.INPUT_CLASS_INDEX: np.array([int(dog)], np.int32)}
        served = heatmap(**index)
        layer_map = np.asarray(library(dog, expand_cam=False, normalize_cam=False))
        resized = tf.image.resize(layer_map[..., np.newaxis], served.shape[1:])[..., 0]
        expected = tf.math.divide_no_nan(resized, tf.reduce_max(resized)).numpy()
        peaks.append(expected.max())
        differences.append(float(np.abs(served - expected).max()))
        library(dog)
    # Nothing speaks for a class where its map is zero: two such maps would show nothing.
    assert 1.0 in peaks
    actions = {"grad_cam": partial(heatmap, **index), "tf_keras_vis": partial(library, True)}
    return {
        "benchmark": "grad_cam_library",
        **told(in_turn(actions, LIBRARY_ROUNDS), "grad_cam"),
        "limit_at_least": 8.0,
        "heatmap_difference": max(differences),
        "tolerance": 1e-4,
    }


if __name__ == "__main__":
    benchmark(measure)
