"""One typed configuration per pipeline, validated once, at the door.

A YAML file is one pipeline. `load_config` reads a shipped one by name or any by path, applies
`--set key=value` and answers every mistake with one line that names the key.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from components.converter.settings import ConverterConfig
from components.evaluator.settings import SLICE_KEYS, EvaluatorConfig, check_thresholds
from components.example_gen.settings import ExampleGenConfig
from components.pusher.settings import PusherConfig
from components.settings import PositiveInt, Section, expected_by
from components.trainer.settings import TrainerConfig
from components.tuner.settings import TunerConfig
from pipelines.kubeflow.settings import KubeflowConfig
from serving.errors import InputError, check_one_of, nearest

CONFIG_FOLDER = Path(__file__).parent / "configs"

Problem = Literal["classification", "segmentation", "points"]

# By problem, the layout that has what it needs.
LAYOUTS = {
    "classification": ("cats_dogs", "classes"),
    "segmentation": ("pets", "masks"),
    "points": ("blobs", "coordinates"),
}
# Steps that run on Beam.
BEAM_STEPS = ("example_gen", "statistics_gen", "evaluator")
# What a training of points reads; it has no batches, no pictures and one optimizer.
POINT_SETTINGS = {"model", "model_args", "epochs", "learning_rate", "training_step", "seed"}


class _Loader(yaml.SafeLoader):
    """YAML whose numbers are those of YAML 1.2: PyYAML takes 1e-3, without a dot, for a text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


class DataConfig(Section):
    """Where the data lies.

    Attributes:
        path: folder with the pictures or points; `--data` sets it.
        layout: `cats_dogs` (`Cat/*.jpg`, `Dog/*.jpg` or `cat.N.jpg`, `dog.N.jpg` in one folder),
            `pets` (`images/*.jpg`, `annotations/trimaps/*.png`) or `blobs` (`*.csv` with the
            columns x, y and label).
    """

    path: str = ""
    layout: Literal["cats_dogs", "pets", "blobs"]


class InterpreterConfig(Section):
    """What the report shows.

    Attributes:
        pictures: test pictures with prediction and Grad-CAM, or test points with their scores;
            half of them wrong ones if there are.
    """

    pictures: PositiveInt = 12


class InfraValidatorConfig(Section):
    """How the exported model is tried in a server.

    Attributes:
        pictures: test pictures or points sent to each endpoint.
        timeout_seconds: time for the server to start and to answer.
    """

    pictures: PositiveInt = 4
    timeout_seconds: Annotated[float, Field(gt=0.0)] = 120.0


class BeamConfig(Section):
    """How Beam runs ingest, statistics and evaluation.

    Attributes:
        args: Beam pipeline options, for instance `--runner=FlinkRunner`.
        steps: by step, those that replace `args` there.
    """

    args: list[str] = ["--direct_running_mode=in_memory", "--direct_num_workers=1"]
    steps: dict[str, list[str]] = {}

    @model_validator(mode="after")
    def _steps_use_beam(self) -> "BeamConfig":
        for name in self.steps:
            check_one_of("beam.steps", name, BEAM_STEPS)
        return self


class PipelineConfig(Section):
    """One pipeline, whole."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    problem: Problem
    data: DataConfig
    example_gen: ExampleGenConfig = ExampleGenConfig()
    trainer: TrainerConfig
    tuner: TunerConfig | None = None
    evaluator: EvaluatorConfig
    converter: ConverterConfig | None = None
    interpreter: InterpreterConfig = InterpreterConfig()
    infra_validator: InfraValidatorConfig = InfraValidatorConfig()
    pusher: PusherConfig
    beam: BeamConfig = BeamConfig()
    kubeflow: KubeflowConfig = KubeflowConfig()

    @model_validator(mode="after")
    def _parts_fit(self) -> "PipelineConfig":
        layout, needed = LAYOUTS[self.problem]
        if self.data.layout != layout:
            raise InputError(
                f"data.layout: {self.problem} needs {needed}",
                expected=f"'{layout}'",
                found=f"'{self.data.layout}'",
            )
        self.trainer.check_problem(self.problem)
        if self.problem == "points":
            _check_points(self)
        if self.tuner:
            self.tuner.check(self.trainer, self.problem)
        asked = self.evaluator.model_dump()
        check_thresholds(
            self.problem, asked["thresholds"], asked["slice_thresholds"], asked["slices"]
        )
        for feature in self.evaluator.slices:
            check_one_of("evaluator.slices", feature, SLICE_KEYS[self.data.layout], "keys of")
        return self


def _check_points(config: PipelineConfig) -> None:
    """Refuses settings that a pipeline of points would pass over in silence."""
    if config.example_gen.split != "hash":
        raise InputError(
            "example_gen.split", expected="'hash'", found=f"'{config.example_gen.split}'"
        )
    if config.converter:
        raise InputError("converter", expected="nothing: it is for pictures", found="a section")
    for key, field in TrainerConfig.model_fields.items():
        value = getattr(config.trainer, key)
        if key not in POINT_SETTINGS and value != field.default:
            raise InputError(
                f"trainer.{key}", expected="nothing: it is for pictures", found=repr(value)
            )


def shipped_configs() -> list[str]:
    """Names of the configurations that come with the project."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml"))


def load_config(
    name_or_path: str, sets: tuple[str, ...] | list[str] = (), data: str | None = None
) -> PipelineConfig:
    """Reads and validates a configuration.

    Args:
        name_or_path: a shipped name or the path of a YAML file.
        sets: `a.b=value` overrides, the value in YAML.
        data: overrides `data.path`.

    Raises:
        InputError: a mistake, told in one line.
    """
    path = _find(name_or_path)
    tree = _read_yaml(path)
    for assignment in sets:
        _assign(tree, assignment)
    if data is not None:
        _assign(tree, f"data.path={json_string(data)}")
    try:
        config = PipelineConfig.model_validate(tree)
    except ValidationError as error:
        raise _as_input_error(error, path) from error
    return config


def json_string(text: str) -> str:
    """Quotes a text so that YAML reads it back as that text."""
    return yaml.safe_dump(text, default_style='"', width=1_000_000).strip()


def check_data_path(config: PipelineConfig) -> Path:
    """The data folder, absolute.

    Raises:
        InputError: none is configured, or it is not there.
    """
    hint = "pass --data DIR (pawlens data synth makes one)"
    if not config.data.path:
        raise InputError("data.path is not set", expected="the folder with the data", todo=hint)
    path = Path(config.data.path).expanduser()
    if not path.is_dir():
        raise InputError(
            "data.path",
            expected="an existing folder",
            found=f"'{config.data.path}', which does not exist" if not path.exists() else "a file",
            todo=hint,
        )
    return path.resolve()


def _find(name_or_path: str) -> Path:
    shipped = CONFIG_FOLDER / f"{name_or_path}.yaml"
    if name_or_path in shipped_configs():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise InputError(
        f"config '{name_or_path}'",
        expected=f"a YAML file or one of {', '.join(shipped_configs())}",
        found="neither",
        todo=nearest(name_or_path, shipped_configs()),
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}", expected="valid YAML", found=str(error)) from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}", expected="a mapping of keys", found=type(tree).__name__)
    return tree


def _assign(tree: dict[str, Any], assignment: str) -> None:
    key, equals, text = assignment.partition("=")
    if not equals or not key:
        raise InputError(f"--set {assignment}", expected="key=value, like trainer.epochs=5")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"--set {key}", expected="a YAML value", found=text) from error
    node: Any = tree
    *parents, last = key.split(".")
    for name, above in zip(parents, ["", *parents], strict=False):
        place = _place(node, name, key, above)
        if isinstance(node, dict):
            node.setdefault(name, {})
        node = node[place]
    node[_place(node, last, key, parents[-1] if parents else "")] = value


def _place(node: Any, name: str, key: str, above: str) -> str | int:
    """By what a mapping or a list is asked for the next part of a key."""
    if isinstance(node, dict):
        return name
    if not isinstance(node, list):
        raise InputError(f"--set {key}", expected="a section", found=f"a value at '{above}'")
    if not name.isdecimal() or int(name) >= len(node):
        count = f"{len(node)} elements, counted from 0"
        raise InputError(f"--set {key}", expected=f"one of the {count}", found=f"'{name}'")
    return int(name)


def _valid_keys(asked: str, model: type[BaseModel] = PipelineConfig, prefix: str = "") -> list[str]:
    """All keys, dotted; below a mapping of free names, those under the name that was asked for."""
    keys = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        keys.append(key)
        kind = field.annotation
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
            free_name = asked.removeprefix(f"{key}.").rpartition(".")[0]
            key = f"{key}.{free_name}"
        for part in (kind, *get_args(kind)):  # an optional section is one of two
            if isinstance(part, type) and issubclass(part, BaseModel):
                keys += _valid_keys(asked, part, f"{key}.")
    return keys


def _as_input_error(error: ValidationError, path: Path) -> InputError:
    """The first problem pydantic found, as one line."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    where = f"{path.name}: {key}" if key else path.name
    if problem["type"] == "extra_forbidden":
        hint = nearest(key, _valid_keys(key)) or "see the shipped configs for the valid keys"
        return InputError(f"{where}: unknown key", todo=hint)
    if problem["type"] == "value_error":  # one of ours, whole already
        return InputError(f"{path.name}: {problem['ctx']['error']}")
    if problem["type"] == "missing":
        return InputError(f"{where}: missing", expected="a value")
    return InputError(where, expected=expected_by(problem["msg"]), found=repr(problem["input"]))
