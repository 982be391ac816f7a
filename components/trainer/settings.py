"""What can be said about a training; a section of the pipeline's configuration."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from components import explanations, models
from components.models.spec import Learn
from components.settings import Natural, Positive, PositiveInt, Section, expected_by
from components.tasks import Task, get_task
from components.trainer.sections import (
    AugmentationConfig,
    ExportConfig,
    LossConfig,
    OptimizerConfig,
    Side,
    StageConfig,
)
from serving.errors import InputError, Mistakes, check_one_of, mistakes_of

STAGES = "trainer.stages"
Scalar = bool | int | float | str  # a value that a tuner may vary


class TrainerConfig(Section):
    """What is trained, and how."""

    model: str = ""
    """A name in `components/models`, `keras.applications.NAME`, or an import path
    `package.module:build`; empty: the task's own."""
    model_args: dict[str, bool | int | float | str] = {}
    """Keyword arguments of that model's `build`."""
    image_size: Side | None = None
    """Side of the model's square input in pixels; null only where there are no images."""
    batch_size: PositiveInt = 32
    """Examples a step, over all devices and nodes together."""
    epochs: Natural = 10
    """Passes over the training split, at most; 0: the weights of a file are measured and exported
    as they are."""
    learn: Learn = "all"
    """Which weights learn: all; of a model with a pretrained backbone also `head`, or `top`, which
    is the head and the backbone's top blocks, batch norm frozen ("Deep Learning with Python",
    8.3.2)."""
    learning_rate: Positive = 1e-3
    """Constant, or the schedule's peak."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """What changes the weights."""
    loss: LossConfig = LossConfig()
    """What training makes small."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """How training images are changed at random."""
    stages: list[StageConfig] = []
    """Trainings one after another, each with settings of its own and from the best epoch of the one
    before; the last one is exported. Empty: one, the section itself; `{}` is the section as it
    is."""
    weights: str = ""
    """File (`.weights.h5` or `.keras`) of the same architecture to start from; empty: fresh
    weights."""
    monitor: str = "val_loss"
    """Value that tells the best epoch, which is the exported one."""
    patience: Natural = 0
    """Epochs without a better value after which training stops; 0: never."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Keras's dtype policy. What is exported computes in float32 all the same."""
    sample_epochs: Natural = 5
    """Epochs between two looks at the same few images in TensorBoard; 0: none."""
    export: ExportConfig = ExportConfig()
    """What is fixed when the best epoch is exported."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1337
    """Seeds weights, shuffling, augmentation and dropout."""

    @property
    def trainings(self) -> list["TrainerConfig"]:
        """All trainings in their order; weights of a file are for the first one."""
        made = []
        for number, stage in enumerate(self.stages):
            changes = {key: value for key, value in stage if value is not None}
            common = self.without_weights if number else self
            made.append(common.model_copy(update=changes | {"stages": []}))
        return made or [self]

    @property
    def without_weights(self) -> "TrainerConfig":
        """The same for weights to come, those of a backbone too."""
        args = {key: "" if key == "weights" else arg for key, arg in self.model_args.items()}
        return self.model_copy(update={"weights": "", "model_args": args})

    def for_task(self, task: Task) -> Self:
        """The same, with the task's architecture where none is named."""
        return self if self.model else self.model_copy(update={"model": task.model})

    def mistakes(self) -> Iterator[InputError]:
        """Values that do not go together; those of a stage are named with it."""
        if self.stages and not self.epochs:
            yield InputError(
                "trainer.epochs",
                expected="1 or more with stages",
                found="0",
                todo=f"{STAGES}=[] leaves them out",
            )
        elif not self.epochs and not self.weights:
            yield InputError("trainer.epochs", expected="1 or more without weights", found="0")
        yield from self._of_all_trainings(TrainerConfig._warmup_mistakes)

    def task_mistakes(self, task: Task) -> Iterator[InputError]:
        """What makes no sense for a task, or for the model."""
        config, tunable = self.for_task(task), True
        try:
            spec = models.spec(config.model)
        except InputError as error:
            yield error
        else:
            tunable = spec.fine_tune_from is not None
            if spec.task and not isinstance(task, type(get_task(spec.task))):
                yield InputError(
                    "trainer.model",
                    expected=f"a model for {task.name}",
                    found=f"'{config.model}', which is for {spec.task}",
                )
        yield from mistakes_of(check_one_of, "trainer.monitor", self.monitor, task.monitors)
        if self.export.explanation not in explanations.SHIPPED:  # which bring Keras along
            yield from mistakes_of(explanations.load_explanation, self.export.explanation)
        yield from config._of_all_trainings(lambda one: one._training_mistakes(task, tunable))

    def check_task(self, task: Task) -> None:
        """Raises all that `task_mistakes` finds, as `Mistakes`."""
        found = list(self.task_mistakes(task))
        if found:
            raise Mistakes(found)

    def check_trains(self, who: str) -> None:
        """Refuses weights as they are, with an InputError, where there has to be a training."""
        if not self.epochs:
            raise InputError("trainer.epochs", expected=f"1 or more with {who}", found="0")

    def _of_all_trainings(self, check: Any) -> Iterator[InputError]:
        """The section's own mistakes, and those that stages have beyond them."""
        own = list(check(self))
        yield from own
        told = set(map(str, own))
        for number, training in enumerate(self.trainings if self.stages else []):
            for error in check(training):
                if str(error) not in told:
                    yield InputError(f"{STAGES}.{number}: {error}")

    def _warmup_mistakes(self) -> Iterator[InputError]:
        if self.epochs and self.optimizer.warmup_epochs >= self.epochs:
            yield InputError(
                "trainer.optimizer.warmup_epochs",
                expected=f"fewer than trainer.epochs ({self.epochs})",
                found=str(self.optimizer.warmup_epochs),
            )

    def _training_mistakes(self, task: Task, tunable: bool) -> Iterator[InputError]:
        for key, value, fits, what in (
            ("augmentation.mixup", self.augmentation.mixup, task.mixes, "labels that blend"),
            ("loss.dice", self.loss.dice, task.has_masks, "masks"),
        ):
            if value and not fits:
                expected = f"0 (it is for {what})"
                yield InputError(f"trainer.{key}", expected=expected, found=str(value))
        if self.learn != "all" and not tunable:
            yield InputError(
                "trainer.learn",
                expected="'all' (others are for models with a pretrained backbone)",
                found=f"'{self.learn}' with '{self.model}'",
            )
        if task.has_images:
            if self.image_size is None:
                yield InputError("trainer.image_size: missing", expected="the side in pixels")
            return
        for key in ("image_size", "augmentation", "export"):
            value, default = getattr(self, key), type(self).model_fields[key].default
            if value != default:
                yield InputError(
                    f"trainer.{key}", expected="nothing: it is for images", found=repr(value)
                )


def replace_values(config: TrainerConfig, values: Mapping[str, Scalar]) -> TrainerConfig:
    """The configuration with other values, by dotted key, as in `optimizer.weight_decay`.

    Raises:
        InputError: an unknown key, or a value that its key does not take.
    """
    tree = config.model_dump()
    for key, value in values.items():
        *sections, last = key.split(".")
        node: Any = tree
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        # The keys of `model_args` are the architecture's own.
        if not isinstance(node, dict) or (last not in node and sections != ["model_args"]):
            raise InputError(f"trainer.{key}: unknown key")
        node[last] = value
    try:
        return TrainerConfig.model_validate(tree)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "value_error":  # one of ours, whole already
            raise InputError(str(problem["ctx"]["error"])) from error
        key = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"trainer.{key}", expected=expected_by(problem["msg"]), found=repr(problem["input"])
        ) from error


def describe(values: Mapping[str, Scalar]) -> str:
    """The values for a line of a log: `learning_rate 0.00123, optimizer.name adam`."""
    return ", ".join(
        f"{key} {format(value, '.4g') if isinstance(value, float) else value}"
        for key, value in values.items()
    )
