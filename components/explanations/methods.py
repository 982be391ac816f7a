"""Class activation maps: one implementation for endpoint, command, report and grades.

Every method takes the halves of a model (`components.explanations.cutting`), float32 images
[batch, height, width, 3] in [0, 255], and `score`: (logits, probabilities) -> float32 [batch], what
is explained. It gives maps float32 [batch, h, w], not negative, a value for each cell of the
explained layer, and the model's probabilities. `heatmaps` stretches the maps over the picture; a
method from outside may also give maps of the images' size.

Scores are logits: a saturated sigmoid or softmax has no gradient. For segmentation the score is
summed over the pixels of the class, as in Vinogradova et al., "Towards Interpretable Semantic
Segmentation via Gradient-weighted Class Activation Mapping" (2020).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

Half: TypeAlias = Callable[..., Any]
Score: TypeAlias = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Explained: TypeAlias = tuple[tf.Tensor, tf.Tensor]  # maps and probabilities
Explain: TypeAlias = Callable[[Half, Half, tf.Tensor, Score], Explained]

FLAT = 1e-5  # relative span below which a heatmap counts as constant
MASKED_TOGETHER = 16  # copies of each image that Score-CAM sends through the model at once


def class_score(logits: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """What speaks for a class of a classifier.

    Args:
        logits: float32 [batch, classes]; or [batch, 1] for two classes: what speaks for class 1
            speaks against class 0.
        chosen: int32 [batch], a class for each image.

    Returns:
        float32 [batch].
    """
    if logits.shape[-1] == 1:
        return tf.where(chosen == 1, logits[:, 0], -logits[:, 0])
    return tf.gather(logits, chosen, batch_dims=1)


def grad_cam(trunk: Half, head: Half, images: tf.Tensor, score: Score) -> Explained:
    """Grad-CAM: channels weighted by the mean of their gradients.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization" (2017); "Deep Learning with Python", 9.4.3.
    """
    features, gradients, probabilities = _differentiated(trunk, head, images, score)
    return _positive(tf.reduce_mean(gradients, [1, 2], keepdims=True) * features), probabilities


def grad_cam_plus_plus(trunk: Half, head: Half, images: tf.Tensor, score: Score) -> Explained:
    """Grad-CAM++: gradients that speak for the class, those of small areas weighted up.

    Chattopadhyay et al., "Grad-CAM++: Generalized Gradient-Based Visual Explanations for Deep
    Convolutional Networks" (2018), equations 10 and 19 with the exponential of the score as the
    function that is differentiated; its factor falls out where heatmaps are normalised.
    """
    features, gradients, probabilities = _differentiated(trunk, head, images, score)
    squared = tf.square(gradients)
    total = tf.reduce_sum(features, [1, 2], keepdims=True)
    alpha = tf.math.divide_no_nan(squared, 2.0 * squared + total * squared * gradients)
    weights = tf.reduce_sum(alpha * tf.nn.relu(gradients), [1, 2], keepdims=True)
    return _positive(weights * features), probabilities


def hires_cam(trunk: Half, head: Half, images: tf.Tensor, score: Score) -> Explained:
    """HiResCAM: each cell's own gradient times its value, nothing averaged.

    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
    neural networks" (2020).
    """
    features, gradients, probabilities = _differentiated(trunk, head, images, score)
    return _positive(gradients * features), probabilities


def score_cam(trunk: Half, head: Half, images: tf.Tensor, score: Score) -> Explained:
    """Score-CAM: channels weighted by the score of the image seen through them alone.

    No gradients, but as many further predictions as the layer has channels. Wang et al.,
    "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks" (2020),
    weights by softmax over the channels.
    """
    between = trunk(images, training=False)
    features = tf.nest.flatten(between)[0]  # of a list where ways lead round the layer
    _, probabilities = head(between, training=False)
    channels = features.shape[-1]
    together = max(n for n in range(1, MASKED_TOGETHER + 1) if channels % n == 0)

    def scores_through(number: tf.Tensor) -> tf.Tensor:
        seen = features[..., number * together : (number + 1) * together]
        masks = tf.image.resize(_unit_range(seen), images.shape[1:3])
        masked = [masks[..., k : k + 1] * images for k in range(together)]
        logits, _ = head(trunk(tf.concat(masked, 0), training=False), training=False)
        # Which class is explained does not depend on the mask.
        return tf.stack([score(one, probabilities) for one in tf.split(logits, together)])

    scores = tf.map_fn(
        scores_through,
        tf.range(channels // together),
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([together, None], images.dtype),
    )
    weights = tf.nn.softmax(tf.transpose(tf.reshape(scores, [channels, -1])))
    return _positive(weights[:, tf.newaxis, tf.newaxis] * features), probabilities


def flip_averaged(explain: Explain) -> Explain:
    """The same method, from an image and its mirror image, at twice the work.

    A layer's strides with `same` padding see more of one side, so that heat lies some pixels beside
    what it is of, and as many on the other side in the mirror image.
    """

    def both(trunk: Half, head: Half, images: tf.Tensor, score: Score) -> Explained:
        maps, probabilities = explain(trunk, head, images, score)

        def same_class(logits: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
            return score(logits, probabilities if len(seen.shape) == 2 else seen)  # else: pixels

        mirrored, _ = explain(trunk, head, images[:, :, ::-1], same_class)
        return (maps + mirrored[:, :, ::-1]) / 2.0, probabilities

    return both


def heatmaps(maps: tf.Tensor, size: tuple[int, int]) -> Any:
    """Stretches maps over the picture, in a graph.

    Args:
        maps: [batch, h, w], not negative; see `components.explanations.methods`.
        size: height and width of the model's input.

    Returns:
        [batch, *size] in [0, 1], each with maximum 1, or all zeros where nothing speaks for the
        score or everything does alike.
    """
    laid = tf.image.resize(maps[..., tf.newaxis], size)[..., 0]
    peaks = tf.reduce_max(laid, axis=[1, 2], keepdims=True)
    lows = tf.reduce_min(laid, axis=[1, 2], keepdims=True)
    # A map that is the same everywhere points nowhere (rounding aside, which resizing adds).
    telling = peaks - lows > FLAT * peaks
    return tf.where(telling, tf.math.divide_no_nan(laid, peaks), 0.0)


def _differentiated(
    trunk: Half, head: Half, images: tf.Tensor, score: Score
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The explained layer's output, the score's gradients by it, and the probabilities."""
    between = trunk(images, training=False)
    features = tf.nest.flatten(between)[0]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        logits, probabilities = head(between, training=False)
        scores = score(logits, probabilities)
    return features, tape.gradient(scores, features, unconnected_gradients="zero"), probabilities


def _positive(weighted: tf.Tensor) -> tf.Tensor:
    """What speaks for the score, summed over the channels."""
    return tf.nn.relu(tf.reduce_sum(weighted, axis=-1))


def _unit_range(maps: tf.Tensor) -> tf.Tensor:
    """Each channel of each image stretched to [0, 1]; a constant one becomes 0."""
    low = tf.reduce_min(maps, [1, 2], keepdims=True)
    return tf.math.divide_no_nan(maps - low, tf.reduce_max(maps, [1, 2], keepdims=True) - low)
