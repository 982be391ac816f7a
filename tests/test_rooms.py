"""Which way imports look, never round in a circle: pipelines -> components -> serving.

And which modules stay light.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("serving", "components", "pipelines")
STEPS = {path.parent.name for path in ROOT.glob("components/*/component.py")} | {"ablation"}
# A tuner's trials and an ablation's combinations are trainings: the trainer is their library.
SHARED = {("tuner", "trainer"), ("ablation", "trainer")}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports, anywhere in it but under TYPE_CHECKING."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in known else node.module for name in inside}
    return names & known.keys()


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: imports(path, known) - {name} for name, path in known.items()}


def test_imports_point_down(graph):
    order = {package: number for number, package in enumerate(PACKAGES)}
    upwards = [
        f"{name} -> {other}"
        for name, others in graph.items()
        for other in others
        if order[other.partition(".")[0]] > order[name.partition(".")[0]]
    ]
    assert not upwards


def test_no_circles(graph):
    left = {name: set(others) for name, others in graph.items()}
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    assert not left, f"in or above a circle: {sorted(left)}"


def test_steps_do_not_import_each_other(graph):
    def step(name: str) -> str | None:
        package, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        return room if package == "components" and room in STEPS else None

    crossing = {
        (mine, theirs, name, other)
        for name, others in graph.items()
        for other in others
        if (mine := step(name)) and (theirs := step(other)) and mine != theirs
    }
    assert not {entry for entry in crossing if entry[:2] not in SHARED}


def test_one_reader_of_examples():
    readers = {
        path.relative_to(ROOT).as_posix()
        for name, path in modules().items()
        if "TFRecordDataset" in path.read_text()
    }
    # The other one reads shards of other pipelines.
    assert readers <= {"components/datasets/examples.py", "components/datasets/layouts/tfrecord.py"}


PROBE = """
import sys
try:
    exec(sys.argv[1])
except (SystemExit, ValueError) as end:
    print(type(end).__name__, end)
print(sorted(set(sys.argv[2:]) & {name.partition(".")[0] for name in sys.modules}))
"""
TENSORFLOW = ("tensorflow", "tfx", "keras", "apache_beam")


@pytest.mark.parametrize(
    ("code", "told", "heavy"),
    [
        ("import pipelines.config", "", ()),
        (
            "import components.datasets.layouts.auto, components.datasets.looking",
            "",
            ("numpy", "PIL"),
        ),
        (
            "from components import models; models.spec('mini_xception')\n"
            "models.spec('keras.applications.MobilNetV3Small')",
            "InputError trainer.model: expected a backbone of keras.applications",
            (),
        ),
        (
            "from serving.server.main import main; sys.exit(main(['--nope']))",
            "serve: unknown flag --nope; --help lists the flags\nSystemExit 2\n",
            (),
        ),
        (
            "import serving.commands, serving.stores.versions; from serving import client\n"
            "client.ImageClient('127.0.0.1:1', attempts=1).predict([b'x'])",
            "InputError no server answers",
            ("matplotlib", "pandas", "rich", "PIL"),
        ),
        (
            "from pipelines.cli import main; sys.argv = ['pawlens', '--help']; main()",
            "SystemExit 0\n",
            ("kfp", "kfp_server_api", "numpy", "grpc", "matplotlib"),
        ),
    ],
    ids=["configuration", "listing", "specifications", "server", "client", "command"],
)
def test_what_is_asked_for_often_imports_nothing_heavy(code, told, heavy):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, code, *TENSORFLOW, *heavy],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    assert told in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
