"""The step `Evaluator`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.evaluator.executor import Executor
from components.evaluator.settings import EvaluatorConfig
from components.metrics.specs import load_metric


class EvaluatorSpec(ComponentSpec):
    """Inputs, outputs and execution properties of `Evaluator`."""

    PARAMETERS = {
        "task": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "baseline_model": ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Evaluator(BaseBeamComponent):
    """Measures candidate and baseline on the same Examples and blesses, or does not.

    The evaluation holds TensorFlow Model Analysis's files and `artifacts.FIGURES`.
    """

    SPEC_CLASS = EvaluatorSpec
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
        """Builds the step.

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
        for name, path in config.metric_paths().items():
            load_metric(path, f"evaluator.metrics.{name}")
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                task=task,
                config=config.model_dump_json(),
                evaluation=Channel(type=standard_artifacts.ModelEvaluation),
                blessing=Channel(type=standard_artifacts.ModelBlessing),
            )
        )
