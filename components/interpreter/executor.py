"""Does the work of `Interpreter`: reads, scores, explains, writes the page and the card."""

import json
from functools import partial

from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import artifacts
from components.datasets.examples import read_classes, read_examples
from components.declared import Given, Properties, StepExecutor
from components.features import SPLITS
from components.interpreter import model_card, report, ui
from components.interpreter.settings import InterpreterConfig
from components.reporting.predictor import Predictor
from components.reporting.views import look_into
from components.tasks import get_task


class Executor(StepExecutor):
    """Writes the report, and what Kubeflow Pipelines' UI shows."""

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """Writes the report; `page` gets one file, the others no more than said in `artifacts`."""
        task = get_task(properties["task"])
        config = InterpreterConfig.model_validate_json(properties["config"])
        examples = inputs["examples"]
        shown = task.report(read_classes(examples.uri))
        model = path_utils.serving_model_path(inputs["model"].uri)
        predictor = Predictor(model)
        read = {
            split: partial(read_examples, artifact_utils.get_split_uri([examples], split))
            for split in SPLITS
        }
        sources = ("quarantine", "model_run", "evaluation")
        facts = report.read_facts(*(inputs[key].uri for key in sources))
        named = {"pipeline_name": properties["pipeline_name"], "task": task, "facts": facts}
        trained = shown.example_groups(read.pop("train")())
        tested = shown.predictions(predictor, read["test"], config.images)
        content = {
            **named,
            "examples": trained,
            "predictions": tested,
            "suspects": shown.suspects(predictor, read, tested, config.images),
            "views": look_into(model, read["test"]()) if task.has_images else None,
            "legend": shown.legend(),
        }
        recipe = json.loads(properties["recipe"])
        card = model_card.make_card(**named, told=shown.card(), recipe=recipe)
        for output, name, written in (
            ("report", artifacts.REPORT_PAGE, report.render(**content)),
            ("report", artifacts.MODEL_CARD, model_card.render_text(card)),
            ("report", artifacts.MODEL_CARD_DATA, model_card.render_data(card)),
            ("page", artifacts.REPORT_PAGE, report.render(**content, framed=True)),
        ):
            io_utils.write_bytes_file(f"{outputs[output].uri}/{name}", written)
        if tested.rows is not None:
            lines = "".join(json.dumps(row) + "\n" for row in tested.rows)
            io_utils.write_string_file(f"{outputs['report'].uri}/{artifacts.PREDICTIONS}", lines)
        ui.set_metrics(outputs["metrics"], facts.figures)
        ui.set_classification_metrics(outputs["classification_metrics"], facts.figures)
