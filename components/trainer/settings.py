"""What can be said about a training; a section of the pipeline's configuration."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from components import models
from components.errors import InputError, check_one_of
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
    """

    grad_cam_layer: str = ""


class TrainerConfig(Section):
    """What is trained, and how.

    Attributes:
        model: a name in `components/models`.
        model_args: keyword arguments of that model's `build`.
        image_size: side of the model's square input in pixels; None only where there are no
            pictures.
        batch_size: pictures a step, over all devices and nodes together.
        epochs: passes over the training split, at most.
        learning_rate: constant, or the schedule's peak.
        optimizer, loss, augmentation: see there.
        fine_tune: the second phase; None: there is one only.
        earlier_stages: trainings that come first, in their order, each with settings of its own.
            Every one starts from the best epoch of the one before, and so does this one.
        weights: file (`.weights.h5` or `.keras`) of the same architecture to start from; empty:
            fresh weights.
        training_step: `fit`, or for points `gradient_tape`.
        monitor: value that tells the best epoch, which is the exported one.
        patience: epochs without a better value after which training stops; 0: never.
        precision: Keras's dtype policy. What is exported computes in float32 all the same.
        sample_epochs: epochs between two looks at the same few pictures in TensorBoard; 0: none.
        export: see there.
        seed: seeds weights, shuffling, augmentation and dropout.
    """

    model: str
    model_args: dict[str, bool | int | float | str] = {}
    image_size: Side | None = None
    batch_size: PositiveInt = 32
    epochs: PositiveInt = 10
    learning_rate: Positive = 1e-3
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    fine_tune: FineTuneConfig | None = None
    earlier_stages: list[StageConfig] = []
    weights: str = ""
    training_step: Literal["fit", "gradient_tape"] = "fit"
    monitor: Literal["val_loss", "val_accuracy", "val_pixel_accuracy", "val_mean_iou"] = "val_loss"
    patience: Natural = 0
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    sample_epochs: Natural = 5
    export: ExportConfig = ExportConfig()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1337

    @property
    def side(self) -> int:
        """The image size, where there are pictures."""
        assert self.image_size is not None, "check_problem has seen to it"
        return self.image_size

    @property
    def stages(self) -> list["TrainerConfig"]:
        """All trainings in their order, this one last; `weights` are for the first one."""
        last = self.model_dump() | {"earlier_stages": []}
        changes = [stage.model_dump(exclude_none=True) for stage in self.earlier_stages]
        first, *others = [last | change for change in [*changes, {}]]
        later = [tree | {"weights": ""} for tree in others]
        return [TrainerConfig.model_validate(tree) for tree in [first, *later]]

    @model_validator(mode="after")
    def _parts_fit(self) -> "TrainerConfig":
        low, high = self.augmentation.erasing_scale
        if low > high:
            raise InputError(
                "trainer.augmentation.erasing_scale",
                expected="the smaller side first",
                found=f"[{low}, {high}]",
            )
        if self.optimizer.warmup_epochs >= self.epochs:
            raise InputError(
                "trainer.optimizer.warmup_epochs",
                expected=f"fewer than trainer.epochs ({self.epochs})",
                found=str(self.optimizer.warmup_epochs),
            )
        if self.optimizer.momentum and self.optimizer.name not in ("rmsprop", "sgd"):
            raise InputError(
                "trainer.optimizer.momentum",
                expected="0 (only rmsprop and sgd have one)",
                found=f"{self.optimizer.momentum} with {self.optimizer.name}",
            )
        return self

    @model_validator(mode="after")
    def _earlier_stages_fit(self) -> "TrainerConfig":
        if self.earlier_stages and self.fine_tune:
            raise InputError(
                "trainer.earlier_stages", expected="none with trainer.fine_tune", found="both"
            )
        try:
            _ = self.earlier_stages and self.stages
        except ValidationError as error:  # of what `_parts_fit` says: the parts alone are valid
            raise InputError(
                f"in trainer.earlier_stages: {error.errors()[0]['ctx']['error']}"
            ) from error
        return self

    def check_single(self, who: str) -> None:
        """Refuses earlier stages where trainings are compared, or have pictures of one size.

        Raises:
            InputError: naming the key.
        """
        if self.earlier_stages:
            raise InputError(
                "trainer.earlier_stages",
                expected=f"none with {who}",
                found=str(len(self.earlier_stages)),
                todo="leave out the key, and give the last stage trainer.weights if need be",
            )

    def check_problem(self, problem: str) -> None:
        """Refuses what makes no sense for a problem, or for the model.

        Args:
            problem: `classification`, `segmentation` or `points`.

        Raises:
            InputError: naming the key.
        """
        for stage in self.stages[:-1]:
            stage.check_problem(problem)
        check_one_of("trainer.model", self.model, models.MODEL_NAMES)
        others = [name for name in models.MODEL_NAMES if models.spec(name).problem == problem]
        if self.model not in others:
            raise InputError(
                "trainer.model",
                expected=f"a model for {problem} ({', '.join(others)})",
                found=f"'{self.model}', which is for {models.spec(self.model).problem}",
            )
        if self.fine_tune and models.spec(self.model).fine_tune_from is None:
            raise InputError(
                "trainer.fine_tune",
                expected="a model with a pretrained backbone",
                found=f"'{self.model}'",
            )
        only = {
            "trainer.augmentation.mixup": (self.augmentation.mixup, "classification"),
            "trainer.loss.dice": (self.loss.dice, "segmentation"),
        }
        for key, (value, fitting) in only.items():
            if value and problem != fitting:
                raise InputError(key, expected=f"0 (it is for {fitting})", found=str(value))
        measured = {
            "val_accuracy": "classification",
            "val_pixel_accuracy": "segmentation",
            "val_mean_iou": "segmentation",
        }.get(self.monitor, problem)
        if problem != measured:
            raise InputError(
                "trainer.monitor", expected=f"a value that {problem} has", found=f"'{self.monitor}'"
            )
        if problem != "points" and self.image_size is None:
            raise InputError("trainer.image_size: missing", expected="the side in pixels")
        if problem != "points" and self.training_step != "fit":
            raise InputError(
                "trainer.training_step", expected="'fit'", found=f"'{self.training_step}'"
            )
