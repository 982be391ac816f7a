"""Does the work of `Interpreter`: reads, scores, explains, writes the page and the card."""

import json
from functools import partial
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact
from tfx.utils import path_utils

from components import artifacts
from components.datasets.examples import read_classes, read_examples
from components.interpreter import model_card, report, ui
from components.interpreter.readers import read_facts
from components.interpreter.settings import InterpreterConfig
from components.reporting.predictor import Predictor
from components.tasks import get_task


class Executor(BaseExecutor):
    """Writes the report, and what Kubeflow Pipelines' UI shows."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the report; `page` gets one file, the others no more than said in `artifacts`."""
        self._log_startup(input_dict, output_dict, exec_properties)
        task = get_task(exec_properties["task"])
        config = InterpreterConfig.model_validate_json(exec_properties["config"])
        shown = task.report(read_classes(artifact_utils.get_single_uri(input_dict["examples"])))
        model = artifact_utils.get_single_instance(input_dict["model"])
        predictor = Predictor(path_utils.serving_model_path(model.uri))
        train, test = (
            artifact_utils.get_split_uri(input_dict["examples"], split)
            for split in ("train", "test")
        )
        facts = read_facts(
            *(
                artifact_utils.get_single_uri(input_dict[key])
                for key in ("quarantine", "model_run", "evaluation")
            )
        )
        named = {"pipeline_name": exec_properties["pipeline_name"], "task": task, "facts": facts}
        content = {
            **named,
            "examples": shown.example_groups(read_examples(train)),
            "predictions": shown.predictions(
                predictor, partial(read_examples, test), config.images
            ),
            "legend": shown.legend(),
        }
        card = model_card.make_card(
            **named, told=shown.card(), recipe=json.loads(exec_properties["recipe"])
        )
        outputs = {
            key: artifact_utils.get_single_instance(found) for key, found in output_dict.items()
        }
        _write(
            outputs["report"].uri,
            {
                artifacts.REPORT_PAGE: report.render(**content),
                artifacts.MODEL_CARD: model_card.render_text(card),
                artifacts.MODEL_CARD_DATA: model_card.render_data(card),
            },
        )
        _write(outputs["page"].uri, {artifacts.REPORT_PAGE: report.render(**content, framed=True)})
        ui.set_metrics(outputs["metrics"], facts.figures)
        ui.set_classification_metrics(outputs["classification_metrics"], facts.figures)


def _write(folder: str, contents: dict[str, bytes]) -> None:
    """Writes files by name."""
    fileio.makedirs(folder)
    for name, content in contents.items():
        with fileio.open(f"{folder}/{name}", "wb") as file:
            file.write(content)
