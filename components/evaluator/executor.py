"""Does the work of `Evaluator`: the absent baseline, the verdict, and figures in plain JSON."""

import json
from typing import Any

from absl import logging
from tfx.components.evaluator import constants, executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from components.artifacts import BASELINE_VERSION, FIGURES, NO_BASELINE, OVERALL
from components.datasets.examples import read_classes, read_examples, value_of
from components.declared import Artifacts, Properties
from components.evaluator.explanations import explanation_figures
from components.evaluator.figures import (
    confusion_of,
    figures_of,
    in_order,
    make_eval_config,
    read_slices,
)
from components.evaluator.settings import EvaluatorConfig
from components.export import model_classes
from components.tasks import Task, get_task
from serving import names
from serving.classes import Classes

SPLIT = "test"
ROUNDING = 1e-6  # a share of float32 numbers: 7 of 10 is a little less than 0.7


class Executor(executor.Executor):
    """See `Evaluator`."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> None:
        """Evaluates, then writes `artifacts.FIGURES` beside TFMA's own files.

        Raises:
            InputError: the Examples have no classes, or an own metric is none; a threshold on
                explanations needs masks, and there are none.
        """
        task = get_task(exec_properties["task"])
        config = EvaluatorConfig.model_validate_json(exec_properties["config"])
        examples = artifact_utils.get_single_instance(input_dict[specs.EXAMPLES_KEY])
        classes = read_classes(examples.uri)
        part = task.evaluation(classes)
        has_baseline, about_baseline = _look_at_baseline(task, classes, examples, input_dict)
        if not has_baseline:
            input_dict = {k: v for k, v in input_dict.items() if k != specs.BASELINE_MODEL_KEY}
        asked = make_eval_config(part, config, has_baseline=has_baseline)
        properties = {
            specs.EVAL_CONFIG_KEY: proto_utils.proto_to_json(asked),
            specs.EXAMPLE_SPLITS_KEY: json_utils.dumps([SPLIT]),
        }
        super().Do(input_dict, output_dict, properties)

        uri = artifact_utils.get_single_uri(output_dict[specs.EVALUATION_KEY])
        slices = read_slices(uri)
        figures = figures_of(slices, part, config)
        sanity: list[dict[str, Any]] = []
        if config.graded_images and task.grades:
            graded, sanity = explanation_figures(
                task,
                config,
                classes,
                split=artifact_utils.get_split_uri([examples], SPLIT),
                models=[
                    path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[key]))
                    for key in (specs.MODEL_KEY, specs.BASELINE_MODEL_KEY)
                    if input_dict.get(key)
                ],
                evaluation=uri,
            )
            figures = in_order(figures + graded)
        blessed, checks = read_checks(config, figures, has_baseline=has_baseline)
        blessing = artifact_utils.get_single_instance(output_dict[specs.BLESSING_KEY])
        _write_blessing(blessing, blessed, input_dict)
        result = {
            "blessed": blessed,
            "baseline": about_baseline,
            "figures": figures,
            "checks": checks,
            "sanity": sanity,
            **confusion_of(slices, part),
        }
        io_utils.write_string_file(f"{uri}/{FIGURES}", json.dumps(result, indent=2))


def _look_at_baseline(
    task: Task, classes: Classes, examples: Artifact, input_dict: Artifacts
) -> tuple[bool, dict[str, Any] | None]:
    """Whether there is a model to compare with, and what `artifacts.FIGURES` says of it."""
    if not input_dict.get(specs.BASELINE_MODEL_KEY):
        return False, None
    baseline = artifact_utils.get_single_instance(input_dict[specs.BASELINE_MODEL_KEY])
    if fileio.exists(f"{baseline.uri}/{NO_BASELINE}"):
        return False, None
    folder = path_utils.serving_model_path(baseline.uri)
    comparable, warning = _compare_classes(task, classes, model_classes(folder))
    warning = warning or _overlap_warning(task, examples, folder)
    if warning:
        logging.warning(warning)
    return comparable, {
        "version": baseline.get_int_custom_property(BASELINE_VERSION),
        "warning": warning,
    }


def _compare_classes(
    task: Task, classes: Classes, served: Classes | None
) -> tuple[bool, str | None]:
    """Whether the baseline tells the same classes apart, and what to know if it does not."""
    if served is None:  # of before models told: two classes, or a mask's three
        same = len(classes) == (3 if task.has_masks else 2)
        found = "does not say its classes"
    else:
        same = served.names == classes.names
        reordered = sorted(served.names) == sorted(classes.names)
        order = "the same classes in another order" if reordered else "other classes"
        found = f"has {order} ({', '.join(served.names[:5])}{', ..' * (len(served) > 5)})"
    return same, None if same else f"the baseline {found}: nothing is compared with it"


def _overlap_warning(task: Task, examples: Artifact, folder: str) -> str | None:
    """What to know if the baseline was trained on what now tests it."""
    keys_file = f"{folder}/{names.ASSETS_EXTRA}/{names.TRAINING_KEYS_FILE}"
    if not fileio.exists(keys_file):
        return f"the baseline does not say which {task.unit} it was trained on"
    trained = set(io_utils.read_string_file(keys_file).split())
    split = artifact_utils.get_split_uri([examples], SPLIT)
    keys = [value_of(example, task.key).decode() for example in read_examples(split)]
    seen = sum(key in trained for key in keys)
    if not seen:
        return None
    return (
        f"the baseline was trained on {seen} of these {len(keys)} test {task.unit}: "
        "its figures are too good, the comparison favours it"
    )


def read_checks(
    config: EvaluatorConfig, figures: list[dict[str, Any]], *, has_baseline: bool
) -> tuple[bool, list[dict[str, Any]]]:
    """Judges a model by the figures of `figures_of`; without a baseline no `max_drop` applies.

    Returns:
        Whether the model is blessed, and the checks as `artifacts.FIGURES` describes them. A model
        is blessed if all that applies is kept; never where no threshold is configured at all, nor
        where one on the whole split is on what was not measured.
    """
    checks = []
    sections = ((config.thresholds, False), (config.slice_thresholds, True))
    for thresholds, by_slice in sections:
        for metric, threshold in thresholds.items():
            found = [
                figure
                for figure in figures
                if figure["metric"] == metric and (figure["slice"] != OVERALL) == by_slice
            ]
            for kind, bound in threshold.bounds():
                if kind == "max_drop" and not has_baseline:
                    continue
                judged = "lower" if kind == "min" and threshold.judge == "lower" else "value"
                checks += [_check(figure, kind, bound, judged) for figure in found]
                if not found and not by_slice:
                    missing = dict.fromkeys(("class", "value", "lower", "baseline"))
                    missing |= {"metric": metric, "slice": OVERALL}
                    check = _check(missing, kind, bound, judged)
                    checks.append(check | {"ok": False})
    configured = bool(config.thresholds or config.slice_thresholds)
    return configured and all(check["ok"] for check in checks), checks


def _check(figure: dict[str, Any], kind: str, bound: float, judged: str) -> dict[str, Any]:
    value, baseline = figure[judged], figure["baseline"]
    if kind == "min":
        least, need = bound, f"at least {bound:g} needed"
    elif baseline is None:
        least, need = None, "the baseline has no number to compare with"
    else:
        least, need = baseline - bound, f"at most {bound:g} below {baseline:.4f} needed"
    # No number is no pass, unless there is nothing to compare it with.
    ok = least is None or (value is not None and value >= least - ROUNDING)
    name = figure["metric"] + (f" of {figure['class']}" if figure["class"] else "")
    where = "" if figure["slice"] == OVERALL else f" on {figure['slice']}"
    shown = "no number" if value is None else f"{value:.4f}"
    if judged == "lower":
        name = f"lower end of 95% interval of {name}"
    return {key: figure[key] for key in ("metric", "class", "slice")} | {
        "kind": kind,
        "bound": bound,
        "value": value,
        "ok": ok,
        "message": f"{name}{where} is {shown}, {need}",
    }


def _write_blessing(blessing: Artifact, blessed: bool, input_dict: Artifacts) -> None:
    """Writes the verdict as TFX does where its executor judges: a file and custom properties."""
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
    )
    for key, kind in ((specs.MODEL_KEY, "current"), (specs.BASELINE_MODEL_KEY, "baseline")):
        for model in input_dict.get(key, []):
            blessing.set_string_custom_property(f"{kind}_model", model.uri)
            blessing.set_int_custom_property(f"{kind}_model_id", model.id)
