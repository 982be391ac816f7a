"""The step `Interpreter`: declares what goes in and out; `executor.py` works."""

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import HTML, ClassificationMetrics, Metrics, Quarantine, Report
from components.interpreter.executor import PROBLEMS, Executor
from serving.errors import InputError


class InterpreterSpec(ComponentSpec):
    """Inputs, outputs and execution properties of `Interpreter`."""

    PARAMETERS = {
        "pipeline_name": ExecutionParameter(type=str),
        "problem": ExecutionParameter(type=str),
        "pictures": ExecutionParameter(type=int),
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
        *,
        examples: BaseChannel,
        quarantine: BaseChannel,
        model: BaseChannel,
        model_run: BaseChannel,
        evaluation: BaseChannel,
        pipeline_name: str,
        problem: str,
        pictures: int = 12,
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
            problem: `classification`, `segmentation` or `points`.
            pictures: how many test pictures are shown with prediction and Grad-CAM, or test
                points with their scores, at least 1.
            recipe: for the model card, a JSON object; see `model_card.make_card`.

        Raises:
            InputError: `problem` or `pictures` is none of those.
        """
        if problem not in PROBLEMS:
            raise InputError("problem", expected=" or ".join(PROBLEMS), found=repr(problem))
        if pictures < 1:
            raise InputError("interpreter.pictures", expected="at least 1", found=str(pictures))
        super().__init__(
            InterpreterSpec(
                examples=examples,
                quarantine=quarantine,
                model=model,
                model_run=model_run,
                evaluation=evaluation,
                pipeline_name=pipeline_name,
                problem=problem,
                pictures=pictures,
                recipe=recipe,
                report=Channel(type=Report),
                page=Channel(type=HTML),
                metrics=Channel(type=Metrics),
                classification_metrics=Channel(type=ClassificationMetrics),
            )
        )
