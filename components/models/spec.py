"""What the rest of the system knows of an architecture, without building it or importing Keras."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from serving.errors import InputError, nearest

# Names of the layers that explanations, endpoints and tests aim at; the same in every architecture.
TRUNK_OUTPUT_LAYER = "trunk_output"  # last layer that still has a spatial map worth explaining
LOGITS_LAYER = "logits"  # last layer with weights, linear
PROBABILITY_LAYER = "probability"  # of two classes: sigmoid of the one logit
PROBABILITIES_LAYER = "probabilities"  # of all classes: the output

PREFIX = "keras.applications."
Learn = Literal["all", "head", "top"]  # which weights; see `components.models.pretrained.set_phase`
FINE_TUNED_SHARE = 0.2  # of a backbone's layers, the last ones: see `ModelSpec.fine_tune_from`


@dataclass(frozen=True)
class ModelSpec:
    """One architecture. An own one may be described by one, and named by its import path.

    Attributes:
        name: in the configuration.
        builder: import path of `build(image_size, classes, **own)`, which gives a `keras.Model`;
            see `components.models.build` for its input and output.
        task: shipped name of the task that it is for; empty: any task of its input and output.
        grad_cam_layer: layer whose output, float32 [batch, height, width, channels], Grad-CAM
            explains. Everything that leads from the picture to the logits passes through it. See
            `components.models.explained_layers` for a model that has none of that name.
        logits_layer: layer whose output is the scores before sigmoid or softmax: float32
            [batch, classes], of two classes [batch, 1] where one sigmoid tells both, or
            [batch, height, width, classes] of masks.
        fine_tune_from: where the backbone's part begins that fine-tuning trains as `top` (see
            `pretrained.set_phase`): a layer's name, or a share of the backbone's layers, the last
            ones, in (0, 1). None for architectures that are trained whole.
        ablations: arguments of its `build`, all True or False, whose combinations are worth a
            comparison.
        smallest: side in pixels of the smallest input that its convolutions and poolings take.
        multiple_of: what the side has to be a multiple of, such as for a decoder to give it back.
    """

    name: str
    builder: str
    task: str = ""
    grad_cam_layer: str = TRUNK_OUTPUT_LAYER
    logits_layer: str = LOGITS_LAYER
    fine_tune_from: str | float | None = None
    ablations: tuple[str, ...] = ()
    smallest: int = 1
    multiple_of: int = 1


def check_backbone(name: str, key: str) -> None:
    """Refuses what is no backbone of the installed Keras, as its public package lists them.

    Raises:
        InputError: there is none of that name; `key` is the setting that names it.
    """
    package = importlib.util.find_spec("keras")
    assert package and package.origin, "Keras is a dependency"
    listed = (Path(package.origin).parent / "applications" / "__init__.py").read_text("utf-8")
    known = [PREFIX + one for one in re.findall(r" as ([A-Z]\w+),?$", listed, re.MULTILINE)]
    if name not in known:
        raise InputError(
            key,
            expected=f"a backbone of {PREFIX[:-1]}",
            found=repr(name),
            todo=nearest(name, known),
        )
