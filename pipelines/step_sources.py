"""Which code a configuration names: by step, the modules where it begins."""

from components import extension
from components.explanations import explanation_path
from components.tasks import Task, get_task
from pipelines.sections import PipelineConfig
from pipelines.steps import STEPS

# What each step asks of the task; its parts are imported by name, so no import tells of them.
_PARTS = {
    "example_gen": ("data",),
    "statistics_gen": ("data",),
    "schema_gen": ("data",),
    "tuner": ("training",),
    "trainer": ("training", "export"),
    "evaluator": ("evaluation",),
    "interpreter": ("report", "evaluation"),
    "converter": ("evaluation",),
    "infra_validator": ("export",),
    "pusher": ("export",),
}


def step_sources(config: PipelineConfig) -> dict[str, tuple[str, ...]]:
    """Modules that each step runs without importing them, ours and those from outside.

    Edits of them, and of what they import of their own package, run the step again
    (see `pipelines.source_digest`).
    """
    task = get_task(config.task)
    sources = {name: (*step.sources, *_named(config, task, name)) for name, step in STEPS.items()}
    return sources | {
        name: (extension.module_of(step.component),) for name, step in config.steps.items()
    }


def training_sources(config: PipelineConfig) -> tuple[str, ...]:
    """Those that a half-done training depends on: neither export nor what comes after."""
    from components.trainer import TRAINING_SOURCES

    task = get_task(config.task)
    return (*TRAINING_SOURCES, *_parts(task, ("training",)), *_model(config, task))


def _named(config: PipelineConfig, task: Task, step: str) -> tuple[str, ...]:
    own: tuple[str, ...] = ()
    if step == "example_gen":
        layout = config.data.layout or task.layout
        reader = extension.resolve(layout, task.layouts, kind="layouts", key="data.layout")
        own = (extension.module_of(reader),)
    elif step == "tuner":
        own = _model(config, task)
    elif step == "trainer":
        explanation = explanation_path(config.trainer.export.explanation)
        own = (*_model(config, task), extension.module_of(explanation))
    elif step == "evaluator":
        own = tuple(map(extension.module_of, config.evaluator.metric_paths().values()))
    return (*_parts(task, _PARTS.get(step, ())), *own)


def _parts(task: Task, parts: tuple[str, ...]) -> tuple[str, ...]:
    return (type(task).__module__, *map(task.module, parts)) if parts else ()


def _model(config: PipelineConfig, task: Task) -> tuple[str, ...]:
    from components import models

    return models.sources(config.trainer.model or task.model)
