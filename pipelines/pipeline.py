"""The one pipeline definition: which steps run, in what order, on what. Wiring only."""

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

# From the modules that define them: `tfx.v1.components` turns a failed import into None, and the
# reason is lost; here it is raised.
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.dsl.components.base import base_component
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.pipeline import Pipeline
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

from components.baseline.component import Baseline
from components.beam_args import complete
from components.data_validation.component import DataValidation
from components.data_validation.schema import stats_options
from components.data_validation.schema_gen import SchemaGen
from components.evaluator.component import Evaluator
from components.evaluator.eval_config import make_eval_config
from components.example_gen.component import PictureExampleGen
from components.infra_validator.component import InfraValidator
from components.interpreter.component import Interpreter
from components.pusher.component import Pusher
from components.trainer.component import Trainer
from components.trainer.fit import weights
from pipelines.config import BEAM_STEPS, PipelineConfig
from pipelines.source_digest import source_digest
from serving.stores import join

RUN_FN = "components.trainer.run.run_fn"
TUNER_FN = "components.tuner.run.tuner_fn"

# Code of ours that a step runs without its executor importing it: named by a string, or started
# as a process. A change of it has to run the step again (see `pipelines.source_digest`).
EXTRA_SOURCES = {
    "trainer": ("components.trainer.run",),
    "tuner": ("components.tuner.run",),
    "evaluator": ("components.evaluator.segmentation_metrics",),
    "infra_validator": ("serving.server.__main__",),
}
# Their result depends on what is served, which TFX does not know of, so they always run; the
# baseline has a driver for that instead.
NEVER_CACHED = ("pusher",)


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
        metadata: TFX's metadata connection; None on a cluster, which has its own.
    """

    data: Path | RuntimeParameter
    pipeline_root: str
    serving_root: Path | str
    state: str = ""
    rehash: bool = False
    epochs: RuntimeParameter | None = None
    elsewhere: bool = False
    metadata: object = field(default=None, repr=False)


def build_pipeline(config: PipelineConfig, places: Places) -> Pipeline:
    """Wires the steps of `config`; the same for every runner."""
    model_base_path = join(places.serving_root, config.pusher.model_name)
    example_gen = ingest(config, places)
    examples = example_gen.outputs["examples"]
    validation = _validate(config, examples)
    training = _train(config, places, examples)
    for step in training:
        step.add_upstream_node(validation[-1])
    trainer = training[-1]
    model = trainer.outputs["model"]
    baseline = Baseline(
        model=model,
        model_base_path=model_base_path,
        model_config_file=config.pusher.model_config_file,
    ).with_id("baseline")
    evaluator = _evaluate(config, examples, model, baseline.outputs["baseline"])
    interpreter = Interpreter(
        examples=examples,
        quarantine=example_gen.outputs["quarantine"],
        model=model,
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        pipeline_name=config.name,
        problem=config.problem,
        pictures=config.interpreter.pictures,
        recipe=_recipe(config),
    ).with_id("interpreter")
    infra_validator = InfraValidator(
        model=model,
        examples=examples,
        model_name=config.pusher.model_name,
        problem=config.problem,
        pictures=config.infra_validator.pictures,
        timeout_seconds=config.infra_validator.timeout_seconds,
    ).with_id("infra_validator")
    pusher = Pusher(
        model=model,
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra_validator.outputs["blessing"],
        base_directory=model_base_path,
        settings=config.pusher,
        problem=config.problem,
        report=interpreter.outputs["report"],
        examples=examples if config.pusher.live_check else None,
    ).with_id("pusher")
    conversion = _convert(config, examples, trainer.outputs["model_run"])
    for step in conversion:
        pusher.add_upstream_node(step)
    judged = [baseline, evaluator, interpreter, *conversion, infra_validator, pusher]
    return assemble(config, places, [example_gen, *validation, *training, *judged])


def build_ingest(config: PipelineConfig, places: Places) -> Pipeline:
    """The steps of `config` that make valid Examples, with the same cache."""
    example_gen = ingest(config, places)
    validation = _validate(config, example_gen.outputs["examples"])
    return assemble(config, places, [example_gen, *validation])


def assemble(
    config: PipelineConfig, places: Places, components: list[base_component.BaseComponent]
) -> Pipeline:
    """A pipeline of some steps."""
    for component in components:
        if component.id in BEAM_STEPS:
            own = component.id in config.beam.steps
            args = config.beam.steps[component.id] if own else config.beam.args
            key = f"beam.steps.{component.id}" if own else "beam.args"
            component.with_beam_pipeline_args(complete(args, key))
    return Pipeline(
        pipeline_name=config.name,
        pipeline_root=places.pipeline_root,
        components=components,
        enable_cache=True,
        metadata_connection_config=places.metadata,
    )


def ingest(config: PipelineConfig, places: Places) -> PictureExampleGen:
    """The first step: pictures or points to Examples."""
    settings = config.example_gen
    return PictureExampleGen(
        input_base=str(places.data) if isinstance(places.data, Path) else places.data,
        layout=config.data.layout,
        split=settings.split,
        buckets=(settings.train_buckets, settings.eval_buckets, settings.test_buckets),
        max_side=settings.max_side,
        drop_duplicates=settings.drop_duplicates,
        rehash=places.rehash,
    ).with_id("example_gen")


def _validate(config: PipelineConfig, examples: BaseChannel) -> list[base_component.BaseComponent]:
    """Statistics, schema, anomalies, and the gate that everything later waits for, last."""
    statistics_gen = StatisticsGen(
        examples=examples, stats_options=stats_options(config.data.layout)
    ).with_id("statistics_gen")
    schema_gen = SchemaGen(config.data.layout).with_id("schema_gen")
    example_validator = ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema_gen.outputs["schema"]
    ).with_id("example_validator")
    gate = DataValidation(anomalies=example_validator.outputs["anomalies"]).with_id(
        "data_validation"
    )
    return [statistics_gen, schema_gen, example_validator, gate]


def _train(
    config: PipelineConfig, places: Places, examples: BaseChannel
) -> list[base_component.BaseComponent]:
    """The trainer, after a tuner if there is one."""
    shared = {
        "problem": config.problem,
        "state_dir": places.state,
        # Their paths alone would let the cache take an exchanged file for the old one.
        "starts_from": {} if places.elsewhere else weights.digests(config.trainer),
    }
    tuner = None
    if config.tuner:
        from tfx.components.tuner.component import Tuner  # brings KerasTuner along

        tuner = Tuner(
            tuner_fn=TUNER_FN,
            examples=examples,
            custom_config=shared
            | {
                "trainer": config.tuner.trial_config(config.trainer).model_dump(),
                "tuner": config.tuner.model_dump(),
            },
            train_args=trainer_pb2.TrainArgs(splits=["train"]),
            eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
        ).with_id("tuner")
    trainer = Trainer(
        run_fn=RUN_FN,
        examples=examples,
        hyperparameters=tuner.outputs["best_hyperparameters"] if tuner else None,
        custom_config=shared | {"trainer": config.trainer.model_dump()},
        epochs=places.epochs,
    ).with_id("trainer")
    return [tuner, trainer] if tuner else [trainer]


def _recipe(config: PipelineConfig) -> str:
    """What made the model, for its card: the sections that count for it, code and versions."""
    sections = {"name", "problem", "example_gen", "trainer", "tuner", "evaluator"}
    made = config.model_dump(include=sections) | {"data": {"layout": config.data.layout}}
    recipe = {
        "config": made,
        "code_sha256": source_digest(EXTRA_SOURCES["trainer"]),
        "versions": {name: version(name) for name in ("pawlens", "tfx")},
    }
    return json.dumps(recipe)


def _convert(
    config: PipelineConfig, examples: BaseChannel, model_run: BaseChannel
) -> list[base_component.BaseComponent]:
    """The converter, if there is one; what cannot be converted as asked is not pushed."""
    if not config.converter:
        return []
    from components.converter.component import Converter  # brings Keras along

    converter = Converter(
        examples=examples, model_run=model_run, problem=config.problem, config=config.converter
    )
    return [converter.with_id("converter")]


def _evaluate(
    config: PipelineConfig, examples: BaseChannel, model: BaseChannel, baseline: BaseChannel
) -> Evaluator:
    asked = config.evaluator
    return Evaluator(
        examples=examples,
        model=model,
        baseline_model=baseline,
        example_splits=["test"],
        eval_config=make_eval_config(
            config.problem,
            thresholds={k: v.model_dump() for k, v in asked.thresholds.items()},
            slice_thresholds={k: v.model_dump() for k, v in asked.slice_thresholds.items()},
            slices=asked.slices,
            min_slice_size=asked.min_slice_size,
            confidence_intervals=asked.confidence_intervals,
        ),
    ).with_id("evaluator")
