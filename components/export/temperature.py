"""Probabilities that are as often right as they say: temperature scaling.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017), section 4.2.
"""

import keras
import numpy as np

from components import models
from components.explanations.cutting import split_model
from components.export.flip_averaging import flip_averaged
from serving.errors import InputError

KEY = "trainer.export.temperature_scaling"
BOUNDS = (0.05, 20.0)  # of a temperature: where nothing is answered wrong, 0 would be the best
SCORED = 1_000_000  # pixels that tell enough
_BATCH = 32


def check_scalable(model: keras.Model, spec: models.ModelSpec) -> None:
    """Refuses a model whose logits are no layer's weights times what the layer reads.

    Raises:
        InputError: naming that layer.
    """
    layer = model.get_layer(spec.logits_layer)
    linear = getattr(layer, "activation", None) is keras.activations.linear
    weights = {weight.name for weight in layer.weights}
    if not linear or not {"kernel"} <= weights <= {"kernel", "bias"}:
        raise InputError(
            KEY,
            expected="logits of a dense or convolutional layer without activation",
            found=f"'{layer.name}' ({type(layer).__name__})",
        )


def scale_logits(
    model: keras.Model,
    spec: models.ModelSpec,
    inputs: np.ndarray,
    labels: np.ndarray,
    *,
    flip: bool,
) -> float:
    """Divides a model's logits by the temperature that suits Examples it did not learn from.

    Classes, and which of them is the likeliest, stay as they are.

    Args:
        model: float32 [batch, side, side, 3] -> probabilities; its weights are changed.
        spec: of its architecture; see `check_scalable`.
        inputs: [n, side, side, 3] in [0, 255].
        labels: int [n], or [n, side, side] for each pixel; ids that are no class do not count. Or
            one-hot [n, classes], where zeros alone are no class.
        flip: whether it answers for an image and its mirror image together.

    Returns:
        The temperature, within `BOUNDS`: above 1, it was too sure.
    """
    halves = split_model(model, *models.explained_layers(model, spec))
    trunk, head = flip_averaged(*halves) if flip else halves
    scores = keras.Model(trunk.input, head(trunk.output)[0])
    step = max(1, labels.size // SCORED)
    answers, truths = [], []
    for start in range(0, len(inputs), _BATCH):
        rows = slice(start, start + _BATCH)
        answer, truth = scores.predict_on_batch(inputs[rows]), labels[rows]
        if truth.shape == answer.shape and answer.shape[-1] > 1:
            truth = np.where(truth.any(axis=-1), truth.argmax(axis=-1), -1)
        answers.append(answer.reshape(-1, answer.shape[-1])[::step])
        truths.append(truth.reshape(-1)[::step])
    temperature = fit_temperature(np.concatenate(answers), np.concatenate(truths))
    layer = model.get_layer(spec.logits_layer)
    layer.set_weights([weight / temperature for weight in layer.get_weights()])
    return temperature


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of the smallest mean negative log-likelihood, within `BOUNDS`; 1 by no label.

    Args:
        logits: float [n, classes]; or [n, 1] of two classes: what speaks for class 1.
        labels: int [n]; ids that are no class do not count.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    known = (labels >= 0) & (labels < logits.shape[1])
    if not known.any():
        return 1.0
    logits, labels = logits[known].astype(np.float64), labels[known].astype(np.int64)

    def loss(log_temperature: float) -> float:
        told = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.take_along_axis(told, labels[:, None], axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded").x))
