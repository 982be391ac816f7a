"""The step `Evaluator`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation

from components.declared import DeclaredComponent, spec
from components.evaluator.executor import Executor
from components.evaluator.settings import EvaluatorConfig
from components.metrics.specs import load_metric


class Evaluator(DeclaredComponent, BaseBeamComponent):
    """Measures candidate and baseline on the same Examples and blesses, or does not.

    The evaluation holds TensorFlow Model Analysis's files and `artifacts.FIGURES`.

    Args:
        examples: `Examples` with a `test` split, and their classes.
        model: the candidate, a `Model` with the signature `from_examples`.
        baseline_model: what it is compared with, such as the output of `Baseline`; may hold
            `artifacts.NO_BASELINE` alone.
        task: name or import path.
        config: thresholds, slices, own metrics.

    Raises:
        InputError: an own metric that is none.
    """

    SPEC_CLASS = spec(
        {"examples": Examples, "model": Model},
        {"evaluation": ModelEvaluation, "blessing": ModelBlessing},
        optional={"baseline_model": Model},
    )
    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        model: BaseChannel,
        baseline_model: BaseChannel | None = None,
        *,
        task: str = "image_classification",
        config: EvaluatorConfig,
    ):
        for name, path in config.metric_paths().items():
            load_metric(path, f"evaluator.metrics.{name}")
        super().__init__(
            examples=examples,
            model=model,
            baseline_model=baseline_model,
            task=task,
            config=config,
        )
