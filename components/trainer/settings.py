"""What can be said about a training; a section of the pipeline's configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from components import features, models
from components.settings import PositiveInt, Section
from components.trainer.sections import (
    AugmentationConfig,
    ExportConfig,
    FineTuneConfig,
    LossConfig,
    Natural,
    OptimizerConfig,
    Positive,
    Side,
    StageConfig,
)
from serving.errors import InputError, check_one_of

EARLIER = "trainer.earlier_stages"


class TrainerConfig(Section):
    """What is trained, and how.

    Attributes:
        model: a name in `components/models`.
        model_args: keyword arguments of that model's `build`.
        image_size: side of the model's square input in pixels; None only where there are no
            pictures.
        batch_size: pictures a step, over all devices and nodes together.
        epochs: passes over the training split, at most; 0: the weights of a file are measured and
            exported as they are.
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
    epochs: Natural = 10
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
        made = []
        for number, stage in enumerate(self.earlier_stages):
            try:
                changed = last | stage.model_dump(exclude_none=True)
                made.append(TrainerConfig.model_validate(changed))
            except ValidationError as error:  # of `_parts_fit`: the parts alone are valid
                reason = error.errors()[0]["ctx"]["error"]
                raise InputError(f"{EARLIER}.{number}: {reason}") from error
            last["weights"] = ""
        return [*made, TrainerConfig.model_validate(last)]

    @model_validator(mode="after")
    def _parts_fit(self) -> "TrainerConfig":
        low, high = self.augmentation.erasing_scale
        if low > high:
            raise InputError(
                "trainer.augmentation.erasing_scale",
                expected="the smaller side first",
                found=f"[{low}, {high}]",
            )
        lengths = {"trainer.epochs": self.epochs} if self.epochs else {}
        if self.fine_tune:
            lengths["trainer.fine_tune.epochs"] = self.fine_tune.epochs
        for key, epochs in lengths.items():
            if self.optimizer.warmup_epochs >= epochs:
                raise InputError(
                    "trainer.optimizer.warmup_epochs",
                    expected=f"fewer than {key} ({epochs})",
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
    def _no_epochs_fit(self) -> "TrainerConfig":
        wrong = {
            "with fine_tune": (self.fine_tune, "trainer.fine_tune=null leaves it out"),
            "with earlier_stages": (self.earlier_stages, "trainer.earlier_stages=[] for none"),
            "without weights": (not self.weights, ""),
        }
        for how, (is_so, todo) in wrong.items():
            if is_so and not self.epochs:
                raise InputError(
                    "trainer.epochs", expected=f"1 or more {how}", found="0", todo=todo
                )
        return self

    @model_validator(mode="after")
    def _earlier_stages_fit(self) -> "TrainerConfig":
        if self.earlier_stages:
            if self.fine_tune:
                raise InputError(EARLIER, expected="none with trainer.fine_tune", found="both")
            _ = self.stages
        return self

    def check_single(self, who: str) -> None:
        """Refuses earlier stages where trainings are compared, or have pictures of one size.

        Raises:
            InputError: naming the key.
        """
        if self.earlier_stages:
            raise InputError(
                EARLIER,
                expected=f"none with {who}",
                found=str(len(self.earlier_stages)),
                todo="leave out the key, and give the last stage trainer.weights if need be",
            )

    def check_trains(self, who: str) -> None:
        """Refuses weights as they are where there has to be a training.

        Raises:
            InputError: naming the key.
        """
        if not self.epochs:
            raise InputError("trainer.epochs", expected=f"1 or more with {who}", found="0")

    def training_values(self) -> dict[str, Any]:
        """What a training depends on, as JSON: all but how the trained model answers."""
        return self.model_dump(mode="json", exclude={"export"})

    def check_problem(self, problem: str) -> None:
        """Refuses what makes no sense for a problem, or for the model.

        Args:
            problem: `classification`, `segmentation` or `points`.

        Raises:
            InputError: naming the key.
        """
        for number, stage in enumerate(self.stages[:-1]):
            try:
                stage.check_problem(problem)
            except InputError as error:
                raise InputError(f"{EARLIER}.{number}: {error}") from error
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
        weights = self.loss.class_weights
        names = {
            "classification": features.CLASS_NAMES,
            "segmentation": features.MASK_CLASS_NAMES,
        }.get(problem, ())
        if isinstance(weights, list) and len(weights) != len(names):
            raise InputError(
                "trainer.loss.class_weights",
                expected=f"{len(names)} numbers ({', '.join(names)})",
                found=str(len(weights)),
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
