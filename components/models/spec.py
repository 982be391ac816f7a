"""What the rest of the system knows of an architecture, without building it."""

from dataclasses import dataclass
from typing import Literal

# Names of the layers that explanations, endpoints and tests aim at; the same in every architecture.
TRUNK_OUTPUT_LAYER = "trunk_output"  # last layer that still has a spatial map worth explaining
LOGITS_LAYER = "logits"  # last layer with weights, linear
PROBABILITY_LAYER = "probability"  # classifiers: sigmoid of the logits
PROBABILITIES_LAYER = "probabilities"  # segmentation: softmax of the logits over the classes


@dataclass(frozen=True)
class ModelSpec:
    """One architecture.

    Attributes:
        name: its name in the configuration, and of its file in this package.
        problem: what it takes and what its output means.
        grad_cam_layer: layer whose output, float32 [batch, height, width, channels], Grad-CAM
            explains. Everything that leads from the picture to the logits passes through it.
        logits_layer: layer whose output is the scores before sigmoid or softmax: float32
            [batch, 1] for classification, [batch, height, width, classes] for segmentation.
        fine_tune_from: for a backbone with published weights, the first of its layers that the
            second phase of fine-tuning trains (see `components.models.transfer`); None for
            architectures that are trained whole, from the start.
        ablations: arguments of its `build`, all True or False, whose combinations are worth a
            comparison.
    """

    name: str
    problem: Literal["classification", "segmentation", "points"]
    grad_cam_layer: str = TRUNK_OUTPUT_LAYER
    logits_layer: str = LOGITS_LAYER
    fine_tune_from: str | None = None
    ablations: tuple[str, ...] = ()
