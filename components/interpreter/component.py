"""The step `Interpreter`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Model, ModelEvaluation, ModelRun

from components.artifacts import HTML, ClassificationMetrics, Metrics, Quarantine, Report
from components.declared import DeclaredComponent, spec
from components.interpreter.executor import Executor
from components.interpreter.settings import InterpreterConfig
from components.tasks import get_task


class Interpreter(DeclaredComponent):
    """Writes the report and the model card, also for a model that was not blessed.

    The verdict comes from the evaluation's figures, so the blessing itself is no input. Beside
    the report there is what Kubeflow Pipelines' UI shows of a run: the page once more, the overall
    metrics, and confusion matrix and ROC curve.

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

    SPEC_CLASS = spec(
        {
            "examples": Examples,
            "quarantine": Quarantine,
            "model": Model,
            "model_run": ModelRun,
            "evaluation": ModelEvaluation,
        },
        {
            "report": Report,
            "page": HTML,
            "metrics": Metrics,
            "classification_metrics": ClassificationMetrics,
        },
        parameters=("pipeline_name", "task", "config", "recipe"),
    )
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
        get_task(task)
        super().__init__(
            examples=examples,
            quarantine=quarantine,
            model=model,
            model_run=model_run,
            evaluation=evaluation,
            pipeline_name=pipeline_name,
            task=task,
            config=config,
            recipe=recipe,
        )
