"""The command `pawlens ablate`: what each idea of an architecture is worth, on the user's data."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from components import models
from pipelines.config import check_data_path, load_config, shipped_configs
from pipelines.logs import terminal
from pipelines.run import working
from pipelines.sections import PipelineConfig
from pipelines.workdir import WorkDir
from serving.errors import InputError
from serving.stores.files import write_whole

if TYPE_CHECKING:
    from components.ablation.study import Comparison

JSON_FILE, TABLE_FILE, CHART_FILE = "ablation.json", "ablation.md", "ablation.png"


def ablate_command(
    model: str,
    *,
    config_name: str | None,
    data: str | None,
    workdir: Path | None,
    sets: list[str],
    output: Path | None,
) -> None:
    """Trains all combinations of a model's switches and compares them.

    Args:
        model: a name in `components/models`, or an import path.
        config_name: shipped name or path; None: the shipped one for the model's task, of any
            classes.
        data: folder with the data; None: what the configuration says.
        workdir: where everything goes; None: that of `pawlens run` with this configuration, so
            that the same data is not ingested twice.
        sets: overrides of the configuration.
        output: folder for table and chart; None: the work directory.

    Raises:
        InputError: wrong configuration or input, or a model without switches.
        FailedError: a step failed.
    """
    _check_model(model)
    config = load_config(config_name or _config_for(model), [*sets, f"trainer.model={model}"], data)
    if config.trainer.stages:
        raise InputError(
            "trainer.stages",
            expected="none with an ablation",
            found=str(len(config.trainer.stages)),
            todo="--set trainer.stages=[]",
        )
    config.trainer.check_trains("an ablation")
    folder = check_data_path(config)
    place = WorkDir((workdir or Path("runs", config.name)).expanduser().resolve())
    output = (output or place.root).expanduser().resolve()
    console = terminal()
    with working(place, "ablate", model, console):
        comparison = _compare(config, folder, place, console)
        _write(comparison, output)
    _print_table(comparison, console)
    console.print(f"chart     {output / CHART_FILE}", soft_wrap=True)


def _check_model(name: str) -> None:
    if models.spec(name).ablations:
        return
    others = [other for other in models.MODEL_NAMES if models.spec(other).ablations]
    raise InputError(
        f"model '{name}'",
        expected=f"one with switches ({', '.join(others)}, or a ModelSpec with ablations)",
        found="none in it",
    )


def _config_for(model: str) -> str:
    task = models.spec(model).task or "image_classification"
    shipped = shipped_configs()
    if task in shipped:
        return task
    return next(name for name in shipped if load_config(name).task == task)


def _compare(config: PipelineConfig, data: Path, place: WorkDir, console: Console) -> "Comparison":
    from tfx.utils import io_utils

    from components.ablation.study import compare
    from components.datasets.examples import read_classes
    from components.features import SPLITS
    from components.tasks import get_task
    from components.trainer.input.split import index_splits
    from pipelines.local import StepError, run_pipeline, state_folder
    from pipelines.pipeline import build_ingest

    steps = run_pipeline(config, data, place, console, rehash=False, build=build_ingest)
    uri = steps["example_gen"].outputs["examples"]
    train, evaluation = (
        [io_utils.all_files_pattern(f"{uri}/Split-{split}")] for split in SPLITS[:2]
    )
    try:
        splits = index_splits(train, evaluation, get_task(config.task), read_classes(uri))
        return compare(config.trainer, splits, state_folder(place, config))
    except InputError:
        raise
    except Exception as error:
        raise StepError("ablation", error) from error


def _write(comparison: "Comparison", folder: Path) -> None:
    from components.ablation.study import draw_ablation, markdown

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / JSON_FILE, (json.dumps(comparison, indent=1) + "\n").encode())
    write_whole(folder / TABLE_FILE, markdown(comparison).encode())
    chart = io.BytesIO()
    draw_ablation(comparison, chart)
    write_whole(folder / CHART_FILE, chart.getvalue())


def _print_table(comparison: "Comparison", console: Console) -> None:
    from components.ablation.study import notes, table

    header, lines = table(comparison)
    shown = Table(
        title=f"ablation of {comparison['model']}", box=SIMPLE_HEAD, pad_edge=False, padding=0
    )
    for number, (name, *cells) in enumerate(zip(header, *lines, strict=True)):
        is_switch = number < len(comparison["combinations"][0]["switches"])
        shown.add_column(
            name,
            justify="left" if is_switch else "right",
            width=max(map(len, [*name.split(), *cells])),  # fits 80 columns, with three switches
        )
    for cells in lines:
        shown.add_row(*cells)
    console.print(shown)
    for note in notes(comparison):
        console.print(note)
