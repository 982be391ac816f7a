"""The step `Interpreter`: declares what goes in and out; `executor.py` works."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, Model, ModelEvaluation, ModelRun

from components.artifacts import HTML, ClassificationMetrics, Metrics, Quarantine, Report
from components.declared import DeclaredComponent
from components.interpreter.executor import Executor
from components.interpreter.settings import InterpreterConfig


class Interpreter(
    DeclaredComponent,
    executor=Executor,
    outputs={
        "report": Report,
        "page": HTML,
        "metrics": Metrics,
        "classification_metrics": ClassificationMetrics,
    },
):
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
        config: what the report shows.
        recipe: for the model card, a JSON object; see `model_card.make_card`.
    """

    examples: Annotated[BaseChannel, Examples]
    quarantine: Annotated[BaseChannel, Quarantine]
    model: Annotated[BaseChannel, Model]
    model_run: Annotated[BaseChannel, ModelRun]
    evaluation: Annotated[BaseChannel, ModelEvaluation]
    _: KW_ONLY
    pipeline_name: str
    task: str = "image_classification"
    config: InterpreterConfig = InterpreterConfig()
    recipe: str = "{}"
