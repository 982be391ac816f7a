"""The step `Interpreter`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import HTML, ClassificationMetrics, Metrics, Quarantine, Report
from components.interpreter.executor import Executor
from components.interpreter.settings import InterpreterConfig
from components.tasks import get_task


class InterpreterSpec(ComponentSpec):
    """Inputs, outputs and execution properties of `Interpreter`."""

    PARAMETERS = {
        "pipeline_name": ExecutionParameter(type=str),
        "task": ExecutionParameter(type=str),
        "config": ExecutionParameter(type=str),
        "recipe": ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "quarantine": ChannelParameter(type=Quarantine),
        "model": ChannelParameter(type=standard_artifacts.Model),
        "model_run": ChannelParameter(type=standard_artifacts.ModelRun),
        "evaluation": ChannelParameter(type=standard_artifacts.ModelEvaluation),
    }
    OUTPUTS = {
        "report": ChannelParameter(type=Report),
        "page": ChannelParameter(type=HTML),
        "metrics": ChannelParameter(type=Metrics),
        "classification_metrics": ChannelParameter(type=ClassificationMetrics),
    }


class Interpreter(BaseComponent):
    """Writes the report and the model card, also for a model that was not blessed.

    The verdict comes from the evaluation's figures, so the blessing itself is no input. Beside
    the report there is what Kubeflow Pipelines' UI shows of a run: the page once more, the overall
    metrics, and confusion matrix and ROC curve.
    """

    SPEC_CLASS = InterpreterSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        quarantine: BaseChannel,
        model: BaseChannel,
        model_run: BaseChannel,
        evaluation: BaseChannel,
        *,
        pipeline_name: str,
        task: str = "image_classification",
        config: InterpreterConfig = InterpreterConfig(),  # noqa: B008  # it is frozen
        recipe: str = "{}",
    ):
        """Builds the step.

        Args:
            examples: `Examples` with a `train` and a `test` split.
            quarantine: what was counted and refused at ingest.
            model: the exported SavedModel with `serving_default` and, of pictures, `grad_cam`.
            model_run: history and curves of the training.
            evaluation: the evaluator's figures and checks.
            pipeline_name: the page's title.
            task: name or import path; see `components.tasks`.
            config: what the report shows.
            recipe: for the model card, a JSON object; see `model_card.make_card`.

        Raises:
            InputError: there is no such task.
        """
        get_task(task)
        super().__init__(
            InterpreterSpec(
                examples=examples,
                quarantine=quarantine,
                model=model,
                model_run=model_run,
                evaluation=evaluation,
                pipeline_name=pipeline_name,
                task=task,
                config=config.model_dump_json(),
                recipe=recipe,
                report=Channel(type=Report),
                page=Channel(type=HTML),
                metrics=Channel(type=Metrics),
                classification_metrics=Channel(type=ClassificationMetrics),
            )
        )
