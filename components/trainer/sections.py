"""The parts of the section `trainer` of a pipeline's configuration."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from components.models.spec import Learn
from components.settings import (
    BelowOne,
    Natural,
    NotNegative,
    Positive,
    PositiveInt,
    Section,
    Share,
)
from serving.errors import InputError

Side = Annotated[int, Field(ge=32, le=1024)]


class AugmentationConfig(Section):
    """How training images are changed at random; all off by default. Masks move along."""

    flip: bool = False
    """Mirror left and right, half of the images."""
    rotation: Share = 0.0
    """Turn by up to this share of a full turn, either way."""
    zoom: Share = 0.0
    """Zoom in or out by up to this share."""
    translation: Share = 0.0
    """Shift in height and width by up to this share of the side."""
    crop: BelowOne = 0.0
    """Cut away up to this share of the area and stretch the rest, its aspect ratio changed by up to
    4:3 ("random resized crop", Szegedy et al., "Going Deeper with Convolutions", 2014)."""
    brightness: Share = 0.0
    """Shift by up to this share of the value range."""
    contrast: Share = 0.0
    """Change by up to this share."""
    saturation: Share = 0.0
    """Change by up to this share."""
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Shift by up to this share of the colour circle."""
    erasing: Share = 0.0
    """Probability that a rectangle is blanked out with noise (Zhong et al., "Random Erasing Data
    Augmentation", 2017)."""
    erasing_scale: Annotated[list[Share], Field(min_length=2, max_length=2)] = [0.02, 0.33]
    """Smallest and largest area of that rectangle, as shares of the image's."""
    mixup: NotNegative = 0.0
    """Alpha of the beta distribution by which pairs of images and labels are blended (Zhang et al.,
    "mixup", 2017); classification only; 0: never."""

    def mistakes(self) -> Iterator[InputError]:
        """The ends of a range in the wrong order."""
        low, high = self.erasing_scale
        if low > high:
            yield InputError(
                "trainer.augmentation.erasing_scale",
                expected="the smaller side first",
                found=f"[{low}, {high}]",
            )


class OptimizerConfig(Section):
    """What changes the weights."""

    name: Literal["rmsprop", "adam", "adamw", "sgd"] = "rmsprop"
    """The Keras optimizer."""
    weight_decay: NotNegative = 0.0
    """Decoupled, of every step, in units of the learning rate; 0: none."""
    momentum: BelowOne = 0.0
    """Of sgd and rmsprop."""
    clip_norm: NotNegative = 0.0
    """Largest norm of all gradients together; 0: not clipped."""
    ema: BelowOne = 0.0
    """Momentum of an exponential moving average of the weights, which is then what is validated and
    exported; 0: none."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of the learning rate: constant, or a cosine from the peak down to zero."""
    warmup_epochs: NotNegative = 0.0
    """Epochs (or parts of one) in which the rate climbs from zero to its peak."""

    def mistakes(self) -> Iterator[InputError]:
        """A momentum where there is none."""
        if self.momentum and self.name not in ("rmsprop", "sgd"):
            yield InputError(
                "trainer.optimizer.momentum",
                expected="0 (only rmsprop and sgd have one)",
                found=f"{self.momentum} with {self.name}",
            )


class LossConfig(Section):
    """What training makes small; validation is measured with the same terms."""

    label_smoothing: BelowOne = 0.0
    """Share of the target that is spread evenly over the classes."""
    focal_gamma: NotNegative = 0.0
    """Exponent that fades out what is already right (Lin et al., "Focal Loss for Dense Object
    Detection", 2017); 0: plain cross-entropy."""
    dice: NotNegative = 0.0
    """Weight of a Dice term beside the cross-entropy (Milletari et al., "V-Net", 2016);
    segmentation only."""
    class_weights: Literal["balanced"] | list[NotNegative] | None = None
    """One weight a class, in their order; `balanced` for weights inverse to how often a class
    occurs in the training split; or null. Training only."""


class StageConfig(Section):
    """One of several trainings; what is null is as in the section `trainer` itself.

    A section such as `augmentation` is replaced whole.
    """

    epochs: PositiveInt | None = None
    """Passes over the training split, at most."""
    learn: Learn | None = None
    """Which weights learn."""
    image_size: Side | None = None
    """Side of the model's square input in pixels."""
    batch_size: PositiveInt | None = None
    """Examples a step, over all devices and nodes together."""
    learning_rate: Positive | None = None
    """Constant, or the schedule's peak."""
    optimizer: OptimizerConfig | None = None
    """What changes the weights."""
    loss: LossConfig | None = None
    """What training makes small."""
    augmentation: AugmentationConfig | None = None
    """How training images are changed at random."""
    patience: Natural | None = None
    """Epochs without a better value after which the stage stops; 0: never."""


class ExportConfig(Section):
    """What is fixed when the best epoch is exported."""

    explanation: str = "grad_cam"
    """How the signature `grad_cam` weighs what speaks for a class: `grad_cam`,
    `grad_cam_plus_plus`, `hires_cam`, `score_cam` (a prediction for each channel), or the import
    path of a function like those of `components.explanations.methods`."""
    explanation_flip: bool = False
    """Whether a heatmap is the mean of the image's and its mirror image's, at twice the work: so it
    lies no further to one side than to the other. `test_time_flip` does this already."""
    temperature_scaling: bool = False
    """Whether logits are divided by a temperature, fitted on the eval split, with which
    probabilities are as often right as they say. The likeliest class stays the same."""
    grad_cam_layer: str = ""
    """Layer that Grad-CAM explains; empty: the architecture's own."""
    test_time_flip: bool = False
    """Whether an answer is that of the image and its mirror image together, their logits averaged
    ("test-time augmentation"), at twice the work."""
    fold_batch_norms: bool = True
    """Whether the weights of batch norms go into those of the layers around them, where that leaves
    answers (to 1e-5) and heatmaps as they are: less work for every picture."""
    target: Literal["any", "cpu"] = "any"
    """`cpu`: pictures of a batch go through the model one by one, as many at a time as the server
    has `--tensorflow_inter_op_parallelism` (with `--tensorflow_intra_op_parallelism=1`), and the
    file holds the weights a second time, as constants. On a GPU that would ruin the batch."""
