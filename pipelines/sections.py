"""One pipeline, whole: its sections and what has to fit between them."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from components import extension
from components.converter.settings import ConverterConfig
from components.datasets.layouts import load_reader
from components.datasets.settings import DataConfig
from components.evaluator.settings import EvaluatorConfig
from components.example_gen.settings import ExampleGenConfig
from components.infra_validator.settings import InfraValidatorConfig
from components.interpreter.settings import InterpreterConfig
from components.pusher.settings import PusherConfig
from components.settings import Section
from components.tasks import Task, get_task
from components.trainer.settings import TrainerConfig
from components.tuner.settings import TunerConfig
from pipelines.kubeflow.settings import KubeflowConfig
from pipelines.steps import BEAM_STEPS, STEPS, unknown
from serving.errors import InputError, mistakes_of

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Output = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")]


class BeamConfig(Section):
    """How Beam runs ingest, statistics and evaluation."""

    args: list[str] = ["--direct_running_mode=in_memory", "--direct_num_workers=1"]
    """Beam pipeline options, for instance `--runner=FlinkRunner`."""
    steps: dict[str, list[str]] = {}
    """By step, those that replace `args` there."""


class ExtraStepConfig(Section):
    """A step from outside."""

    component: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    """Import path of a TFX component's class, or of a function that gives a component."""
    inputs: dict[str, Output] = {}
    """By argument, the output that it is called with, such as `trainer.model`."""
    arguments: dict[str, Any] = {}
    """Its other arguments."""
    before_push: bool = False
    """Whether a model is pushed only if this step has succeeded."""
    beam: bool = False
    """Whether it runs on Beam and gets the options of `beam`."""


class PipelineConfig(Section):
    """One pipeline: which data, which task, how it is trained, measured and served."""

    name: Name
    """Of the pipeline; its runs go to `runs/<name>` unless told otherwise."""
    task: str = "image_classification"
    """The kind of problem: `image_classification`, `image_segmentation`, `points`, or the import
    path `package.module:Class` of another one."""
    data: DataConfig = DataConfig()
    """The data and its classes."""
    example_gen: ExampleGenConfig = ExampleGenConfig()
    """How data becomes Examples."""
    trainer: TrainerConfig
    """What is trained, and how."""
    tuner: TunerConfig | None = None
    """The search for settings before the training; without this section there is none."""
    evaluator: EvaluatorConfig
    """How the model is measured, and what it has to reach."""
    converter: ConverterConfig | None = None
    """Other formats of the model; without this section there are none."""
    interpreter: InterpreterConfig = InterpreterConfig()
    """What the report shows."""
    infra_validator: InfraValidatorConfig = InfraValidatorConfig()
    """How the model is tried in a server."""
    pusher: PusherConfig
    """Where a good model goes."""
    steps: dict[Name, ExtraStepConfig] = {}
    """Steps from outside, by name, in their order."""
    beam: BeamConfig = BeamConfig()
    """How Beam runs the steps that run on it."""
    kubeflow: KubeflowConfig = KubeflowConfig()
    """What a cluster has to know; nothing here changes what one machine does."""

    @property
    def step_names(self) -> list[str]:
        """The steps of this pipeline, in order; those from outside last."""
        shipped = [
            name
            for name, step in STEPS.items()
            if not step.section or getattr(self, step.section) is not None
        ]
        return [*shipped, *self.steps]

    @property
    def beam_steps(self) -> list[str]:
        """Those of them that run on Beam."""
        return [*BEAM_STEPS, *(name for name, step in self.steps.items() if step.beam)]

    def mistakes(self) -> Iterator[InputError]:
        """What does not fit together."""
        yield from self._step_mistakes()
        try:
            task = get_task(self.task)
        except InputError as error:
            yield error
        else:
            yield from self._task_mistakes(task)

    def _task_mistakes(self, task: Task) -> Iterator[InputError]:
        layout = self.data.layout or task.layout
        yield from mistakes_of(load_reader, layout, task.layouts, "data.layout")
        yield from self.trainer.task_mistakes(task)
        yield from self.evaluator.task_mistakes(task)
        if task.has_images:
            if self.tuner:
                yield from self.tuner.task_mistakes(task, self.trainer)
        else:
            yield from _only_for_images(self)
        with extension.calling(self.task, "task", "a check of the configuration that works"):
            found = list(task.check(self))
        yield from found

    def _step_mistakes(self) -> Iterator[InputError]:
        names = [*STEPS]
        for name, step in self.steps.items():
            key = f"steps.{name}"
            if name in STEPS:
                yield InputError(key, expected="a name that no other step has", found=f"'{name}'")
            readable = [one for one in names if one != "pusher" or not step.before_push]
            for argument, output in step.inputs.items():
                producer = output.partition(".")[0]
                yield from unknown(f"{key}.inputs.{argument}", [producer], readable)
            names.append(name)
        yield from unknown("beam.steps", self.beam.steps, self.beam_steps)
        yield from self.kubeflow.step_mistakes(names)


def _only_for_images(config: PipelineConfig) -> Iterator[InputError]:
    for section in ("tuner", "converter"):
        if getattr(config, section) is not None:
            yield InputError(section, expected="nothing: it is for images", found="a section")
    if config.example_gen.split.startswith("book"):
        yield InputError(
            "example_gen.split",
            expected="'auto', 'hash' or 'given'",
            found=f"'{config.example_gen.split}', which is for images",
        )
