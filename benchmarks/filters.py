"""Filter patterns of a layer, all at once, against the book's loop over its filters.

The book ("Deep Learning with Python", 2nd edition, 9.4.2) makes one pattern after another by a
`tf.function` that is given the filter's number, and so is traced anew for each of them. Both draw
the same patterns from the same noise: the largest difference is told, on a scale where the noise
reaches from 0.4 to 0.6. The weights are untrained: they change the numbers, not the work.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tools import Result, benchmark, in_turn, ratio, timed

SIDE, LIMIT = 200, 3.0
LAYERS = (("xception", "block2_sepconv1"), ("mini_xception", "block2_conv_a"))


def measure(folder: Path, filters: int, rounds: int) -> Iterator[Result]:
    del folder
    import keras

    from components import models
    from components.explanations.filters import Ascent, patterns
    from components.models.pretrained import published

    for name, layer in LAYERS:
        keras.utils.set_random_seed(1)
        ours = name in models.MODEL_NAMES and name != "xception"
        model = models.build(name, SIDE, 2) if ours else published(name, "", top=False)
        how = Ascent(value_range=255.0 if ours else 1.0)
        noise = np.random.default_rng(how.seed).uniform(
            0.4 * how.value_range, 0.6 * how.value_range, (filters, SIDE, SIDE, 3)
        )
        found: dict[str, Any] = {}

        def together() -> None:
            found["ours"] = patterns(model, layer, range(filters), side=SIDE, how=how)  # noqa: B023

        def by_the_book() -> None:
            found["book"] = _book(model, layer, noise, how)  # noqa: B023

        actions = {"ours": lambda: timed(together), "book": lambda: timed(by_the_book)}
        times = in_turn(actions, rounds, warm_up=0)
        difference = np.abs(found["ours"] - found["book"]).max() / how.value_range
        yield {
            "model": name,
            "layer": layer,
            "filters": filters,
            "ours_s": round(min(times["ours"]), 2),
            "book_s": round(min(times["book"]), 2),
            "times_faster": ratio(times, "book", "ours"),
            "limit_at_least": LIMIT,
            "largest_difference": float(f"{difference:.2g}"),
        }


def _book(model: Any, layer: str, noise: np.ndarray, how: Any) -> np.ndarray:
    """Listings 9.20 to 9.22, with the noise given."""
    import keras
    import tensorflow as tf

    extractor = keras.Model(model.input, model.get_layer(layer).output)

    @tf.function
    def step(image: tf.Tensor, index: int) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = tf.reduce_mean(extractor(image)[:, 2:-2, 2:-2, index])
        gradients = tf.math.l2_normalize(tape.gradient(loss, image))
        return image + how.step * how.value_range * gradients

    found = []
    for index, start in enumerate(noise):
        image = tf.constant(start[np.newaxis], tf.float32)
        for _ in range(how.steps):
            image = step(image, index)
        found.append(image.numpy()[0])
    return np.stack(found)


if __name__ == "__main__":
    benchmark(measure, filters=16, rounds=1)
