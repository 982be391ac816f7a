"""The one pipeline definition: which steps run, in what order, on what. Wiring only."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.types import BaseChannel

from components import extension
from components.baseline.component import Baseline
from components.beam_args import complete
from components.data_validation.component import DataValidation, ExampleValidator, StatisticsGen
from components.data_validation.schema_gen import SchemaGen
from components.evaluator.component import Evaluator
from components.example_gen.component import ImageExampleGen
from components.infra_validator.component import InfraValidator
from components.interpreter.component import Interpreter
from components.pusher.component import Pusher
from components.trainer.component import Trainer
from pipelines.sections import PipelineConfig
from pipelines.source_digest import source_digest
from pipelines.step_sources import step_sources
from serving.errors import InputError, check_one_of
from serving.stores import join


@dataclass(frozen=True)
class Places:
    """Folders of one run, and what is only known when it starts.

    Attributes:
        data: with the pictures or points.
        pipeline_root: where artifacts go.
        serving_root: folder or URL above the models' own.
        state: what a killed training leaves to go on from; empty: nothing is kept.
        rehash: fingerprint the data by content.
        epochs: in place of `trainer.epochs`; None: that holds.
        elsewhere: the run is on other machines, so files that the configuration names are not
            looked into.
    """

    data: Path | RuntimeParameter
    pipeline_root: str
    serving_root: Path | str
    state: str = ""
    rehash: bool = False
    epochs: RuntimeParameter | None = None
    elsewhere: bool = False


def build_pipeline(config: PipelineConfig, places: Places) -> Pipeline:
    """Wires the steps of `config`; the same for every runner.

    Raises:
        InputError: a step from outside cannot be made as the configuration says.
    """
    steps = _ingest(config, places)
    example_gen = steps["example_gen"]
    examples = example_gen.outputs["examples"]
    base = join(places.serving_root, config.pusher.model_name)
    training = _train(config, places, examples)
    for step in training.values():
        step.add_upstream_node(steps["data_validation"])
    trainer = training["trainer"]
    model, model_run = trainer.outputs["model"], trainer.outputs["model_run"]
    baseline = Baseline(
        model, model_base_path=base, model_config_file=config.pusher.model_config_file
    )
    evaluator = Evaluator(
        examples, model, baseline.outputs["baseline"], task=config.task, config=config.evaluator
    )
    interpreter = Interpreter(
        examples,
        example_gen.outputs["quarantine"],
        model,
        model_run,
        evaluator.outputs["evaluation"],
        pipeline_name=config.name,
        task=config.task,
        config=config.interpreter,
        recipe=_recipe(config),
    )
    infra_validator = InfraValidator(
        model,
        examples,
        model_name=config.pusher.model_name,
        task=config.task,
        config=config.infra_validator,
    )
    pusher = Pusher(
        model,
        evaluator.outputs["blessing"],
        infra_validator.outputs["blessing"],
        base_directory=base,
        task=config.task,
        config=config.pusher,
        report=interpreter.outputs["report"],
        examples=examples if config.pusher.live_check else None,
    )
    steps |= training | {"baseline": baseline, "evaluator": evaluator, "interpreter": interpreter}
    if config.converter:
        from components.converter.component import Converter  # brings Keras along

        steps["converter"] = Converter(
            examples, model_run, task=config.task, config=config.converter
        )
        # What cannot be converted as asked is not pushed.
        pusher.add_upstream_node(steps["converter"])
    steps |= {"infra_validator": infra_validator, "pusher": pusher}
    _extend(config, steps)
    return assemble(config, places, steps)


def build_ingest(config: PipelineConfig, places: Places) -> Pipeline:
    """The steps of `config` that make valid Examples, with the same cache."""
    return assemble(config, places, _ingest(config, places))


def assemble(config: PipelineConfig, places: Places, steps: dict[str, BaseComponent]) -> Pipeline:
    """A pipeline of some steps, by name."""
    for name, component in steps.items():
        component.with_id(name)
        if name in config.beam_steps:
            args = config.beam.steps.get(name, config.beam.args)
            key = f"beam.steps.{name}" if name in config.beam.steps else "beam.args"
            component.with_beam_pipeline_args(complete(args, key))
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=places.pipeline_root,
        components=list(steps.values()),
        enable_cache=True,
    )


def _ingest(config: PipelineConfig, places: Places) -> dict[str, BaseComponent]:
    """Data to Examples; statistics, schema, anomalies, and the gate that all others wait for."""
    example_gen = ImageExampleGen(
        str(places.data) if isinstance(places.data, Path) else places.data,
        task=config.task,
        data=config.data,
        config=config.example_gen,
        rehash=places.rehash,
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = StatisticsGen(examples, task=config.task)
    schema_gen = SchemaGen(examples, task=config.task)
    example_validator = ExampleValidator(
        statistics_gen.outputs["statistics"], schema_gen.outputs["schema"]
    )
    return {
        "example_gen": example_gen,
        "statistics_gen": statistics_gen,
        "schema_gen": schema_gen,
        "example_validator": example_validator,
        "data_validation": DataValidation(example_validator.outputs["anomalies"]),
    }


def _train(
    config: PipelineConfig, places: Places, examples: BaseChannel
) -> dict[str, BaseComponent]:
    """The trainer, after a tuner if there is one."""
    steps: dict[str, BaseComponent] = {}
    if config.tuner:
        from components.tuner.component import Tuner  # brings KerasTuner along

        steps["tuner"] = Tuner(
            examples,
            task=config.task,
            config=config.tuner,
            trainer=config.trainer,
            state_dir=places.state,
            elsewhere=places.elsewhere,
        )
    steps["trainer"] = Trainer(
        examples,
        task=config.task,
        config=config.trainer,
        hyperparameters=steps["tuner"].outputs["best_hyperparameters"] if steps else None,
        state_dir=places.state,
        epochs=places.epochs,
        elsewhere=places.elsewhere,
    )
    return steps


def _extend(config: PipelineConfig, steps: dict[str, BaseComponent]) -> None:
    """Makes the steps from outside, each after what it reads."""
    for name, extra in config.steps.items():
        key = f"steps.{name}"
        make = extension.load(extra.component, key=f"{key}.component")
        inputs = {}
        for argument, output in extra.inputs.items():
            step, _, output_key = output.partition(".")
            check_one_of(f"{key}.inputs.{argument}: step", step, steps)
            outputs = steps[step].outputs
            check_one_of(f"{key}.inputs.{argument}: output of {step}", output_key, outputs)
            inputs[argument] = outputs[output_key]
        wanted = "a component that takes these inputs and arguments"
        with extension.calling(extra.component, key, wanted):
            steps[name] = make(**inputs, **extra.arguments)
        if not isinstance(steps[name], BaseComponent):
            raise InputError(
                f"{key}.component", expected="a TFX component", found=f"'{extra.component}'"
            )
        if extra.before_push:
            steps["pusher"].add_upstream_node(steps[name])


def _recipe(config: PipelineConfig) -> str:
    """What made the model, for its card: the sections that count for it, code and versions."""
    sections = {"name", "task", "example_gen", "trainer", "tuner", "evaluator"}
    recipe = {
        "config": config.model_dump(include=sections)
        | {"data": config.data.model_dump(exclude={"path"})},
        "code_sha256": source_digest([], step_sources(config)["trainer"]),
        "versions": {name: version(name) for name in ("pawlens", "tfx")},
    }
    return json.dumps(recipe)
