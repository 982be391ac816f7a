"""The step `Evaluator`: declares what goes in and out; `executor.py` works."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation

from components.declared import DeclaredComponent
from components.evaluator.executor import Executor
from components.evaluator.settings import EvaluatorConfig
from components.metrics.specs import load_metric


class Evaluator(
    DeclaredComponent,
    BaseBeamComponent,
    executor=Executor,
    outputs={"evaluation": ModelEvaluation, "blessing": ModelBlessing},
):
    """Measures candidate and baseline on the same Examples and blesses, or does not.

    The evaluation holds TensorFlow Model Analysis's files and `artifacts.FIGURES`.

    Args:
        examples: `Examples` with a `test` split, and their classes.
        model: the candidate, a `Model` with the signature `from_examples`.
        baseline_model: what it is compared with, such as the output of `Baseline`; may hold
            `artifacts.NO_BASELINE` alone.
        config: thresholds, slices, own metrics.

    Raises:
        InputError: an own metric that is none.
    """

    examples: Annotated[BaseChannel, Examples]
    model: Annotated[BaseChannel, Model]
    baseline_model: Annotated[BaseChannel | None, Model] = None
    _: KW_ONLY
    task: str = "image_classification"
    config: EvaluatorConfig

    def __post_init__(self) -> None:
        for name, path in self.config.metric_paths().items():
            load_metric(path, f"evaluator.metrics.{name}")
        super().__post_init__()
