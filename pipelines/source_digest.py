"""A digest of the code behind a step, which makes an edited step run again.

From the modules a step names, imports are followed through our own packages, also those inside
functions; what they need from elsewhere is covered by the versions of the stack.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("components", "pipelines", "serving")
DATA_FILES = ("*.html", "*.md", "schemas/*.pbtxt")  # belong to the modules beside them
STACK = (
    "apache-beam",
    "keras",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tfx",
)


def source_digest(modules: Iterable[str], root: Path = ROOT) -> str:
    """SHA-256 over the sources that `modules` reach, and over the versions of the stack.

    Args:
        modules: dotted names; those that are not ours add nothing.
        root: folder that holds our packages.
    """
    digest = hashlib.sha256()
    for name in STACK:
        digest.update(f"{name}=={version(name)}\n".encode())
    for path in sorted(reached_files(modules, root)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def reached_files(modules: Iterable[str], root: Path = ROOT) -> set[Path]:
    """Our files that `modules` import, directly or not, with the data files beside them."""
    todo = list(modules)
    done: set[str] = set()
    files: set[Path] = set()
    while todo:
        module = todo.pop()
        if module in done or module.partition(".")[0] not in PACKAGES:
            continue
        done.add(module)
        path = _module_file(module, root)
        if path is None:
            continue
        files.add(path)
        if module.count("."):
            files.update(file for pattern in DATA_FILES for file in path.parent.glob(pattern))
            todo.append(module.rpartition(".")[0])
        todo.extend(_imports(path))
    return files


def _module_file(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(path: Path) -> Iterator[str]:
    """Dotted names a file imports; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
