"""The parts of the section `trainer` of a pipeline's configuration."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings import PositiveInt, Section

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Natural = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=32, le=1024)]


class AugmentationConfig(Section):
    """How training pictures are changed at random; all off by default. Masks move along.

    Attributes:
        flip: mirror left and right, half of the pictures.
        rotation: by up to this share of a full turn, either way.
        zoom: in or out by up to this share.
        translation: in height and width by up to this share of the side.
        crop: cut away up to this share of the area and stretch the rest, its aspect ratio changed
            by up to 4:3 ("random resized crop", Szegedy et al., "Going Deeper with Convolutions",
            2014).
        brightness: shift by up to this share of the value range.
        contrast: change by up to this share.
        saturation: change by up to this share.
        hue: shift by up to this share of the colour circle.
        erasing: probability that a rectangle is blanked out with noise (Zhong et al., "Random
            Erasing Data Augmentation", 2017).
        erasing_scale: smallest and largest area of that rectangle, as shares of the picture's.
        mixup: alpha of the beta distribution by which pairs of pictures and labels are blended
            (Zhang et al., "mixup", 2017); classification only; 0: never.
    """

    flip: bool = False
    rotation: Share = 0.0
    zoom: Share = 0.0
    translation: Share = 0.0
    crop: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    erasing: Share = 0.0
    erasing_scale: Annotated[list[Share], Field(min_length=2, max_length=2)] = [0.02, 0.33]
    mixup: NotNegative = 0.0


class OptimizerConfig(Section):
    """What changes the weights.

    Attributes:
        name: the Keras optimizer.
        weight_decay: decoupled, of every step, in units of the learning rate; 0: none.
        momentum: of sgd and rmsprop.
        clip_norm: largest norm of all gradients together; 0: not clipped.
        ema: momentum of an exponential moving average of the weights, which is then what is
            validated and exported; 0: none.
        schedule: of the learning rate: constant, or a cosine from the peak down to zero.
        warmup_epochs: epochs (or parts of one) in which the rate climbs from zero to its peak.
    """

    name: Literal["rmsprop", "adam", "adamw", "sgd"] = "rmsprop"
    weight_decay: NotNegative = 0.0
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    clip_norm: NotNegative = 0.0
    ema: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: NotNegative = 0.0


class LossConfig(Section):
    """What training makes small; validation is measured with the same terms.

    Attributes:
        label_smoothing: share of the target that is spread evenly over the classes.
        focal_gamma: exponent that fades out what is already right (Lin et al., "Focal Loss for
            Dense Object Detection", 2017); 0: plain cross-entropy.
        dice: weight of a Dice term beside the cross-entropy (Milletari et al., "V-Net", 2016);
            segmentation only.
        class_weights: one weight a class, `balanced` for weights inverse to how often a class
            occurs in the training split, or None. Training only.
    """

    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    focal_gamma: NotNegative = 0.0
    dice: NotNegative = 0.0
    class_weights: Literal["balanced"] | list[NotNegative] | None = None


class FineTuneConfig(Section):
    """The second phase, for models with a pretrained backbone.

    The first phase trains the head alone, for `trainer.epochs`; the second one also the
    backbone's top blocks, with batch norm frozen ("Deep Learning with Python", 8.3.2).

    Attributes:
        epochs: of the second phase.
        learning_rate: its peak.
    """

    epochs: PositiveInt
    learning_rate: Positive = 1e-5


class StageConfig(Section):
    """A training that comes before; what is None is as in the section `trainer` itself.

    Attributes:
        epochs: passes over the training split, at most.
        image_size, batch_size, learning_rate, optimizer, loss, augmentation, patience: see
            `TrainerConfig`. A section is replaced whole.
    """

    epochs: PositiveInt
    image_size: Side | None = None
    batch_size: PositiveInt | None = None
    learning_rate: Positive | None = None
    optimizer: OptimizerConfig | None = None
    loss: LossConfig | None = None
    augmentation: AugmentationConfig | None = None
    patience: Natural | None = None


class ExportConfig(Section):
    """What is fixed when the best epoch is exported.

    Attributes:
        grad_cam_layer: layer that Grad-CAM explains; empty: the architecture's own.
        test_time_flip: whether an answer is that of the picture and its mirror image together,
            their logits averaged ("test-time augmentation"), at twice the work.
    """

    grad_cam_layer: str = ""
    test_time_flip: bool = False
