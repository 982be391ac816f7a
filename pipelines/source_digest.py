"""A digest of the code behind a step, which makes an edited step run again.

From the modules a step names, imports are followed through our own packages and through those that
a configuration names, also imports inside functions; what they need from elsewhere is covered by
the versions of the stack. Code counts as parsed: an edit of a comment or a docstring is none.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of our packages
PACKAGES = ("components", "pipelines", "serving")
DATA_FILES = ("*.binpb", "*.html", "*.md")  # belong to the modules beside them
STACK = (
    "apache-beam",
    "keras",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tfx",
)
_INSTALLED = {name.replace("-", "_") for name in STACK}


def source_digest(modules: Iterable[str], foreign: Iterable[str] = ()) -> str:
    """SHA-256 over the sources that `modules` and `foreign` reach, and the stack's versions.

    Args:
        modules: dotted names; those that are not ours add nothing.
        foreign: dotted names of modules that a configuration names: their packages count as ours.
    """
    digest = hashlib.sha256()
    for name in STACK:
        digest.update(f"{name}=={version(name)}\n".encode())
    for name, path in sorted(reached_files(modules, foreign).items()):
        content = path.read_bytes()
        told = _parsed(content)[0] if path.suffix == ".py" else hashlib.sha256(content).digest()
        digest.update(name.encode() + b"\0" + told)
    return digest.hexdigest()


def reached_files(modules: Iterable[str], foreign: Iterable[str] = ()) -> dict[str, Path]:
    """Files that modules import, directly or not, with the data files beside them.

    Args:
        modules, foreign: as of `source_digest`.

    Returns:
        By path relative to the folder of its package, such as `components/features.py`.
    """
    named = list(foreign)
    tops = {module.partition(".")[0] for module in named} - _INSTALLED
    bases = {top: _base(top) for top in tops} | dict.fromkeys(PACKAGES, ROOT)
    todo = [*modules, *named]
    done: set[str] = set()
    files: dict[str, Path] = {}
    while todo:
        module = todo.pop()
        base = bases.get(module.partition(".")[0])
        if module in done or base is None:
            continue
        done.add(module)
        if "." in module:
            todo.append(module.rpartition(".")[0])
        path = _module_file(module, base)
        if path is None:
            continue
        files[path.relative_to(base).as_posix()] = path
        if "." in module:
            beside = (file for pattern in DATA_FILES for file in path.parent.glob(pattern))
            files |= {file.relative_to(base).as_posix(): file for file in beside}
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for name in _parsed(path.read_bytes())[1]:
            with contextlib.suppress(ImportError):  # of more packages up than there are
                todo.append(importlib.util.resolve_name(name, package))
    return files


def _base(package: str) -> Path | None:
    """The folder in which a top-level package or module lies, found without importing it."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None or not (spec.has_location or spec.submodule_search_locations):
        return None
    return Path([*(spec.submodule_search_locations or ()), str(spec.origin)][0]).parent


def _module_file(module: str, base: Path) -> Path | None:
    place = base.joinpath(*module.split("."))
    return next(filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py")), None)


@functools.lru_cache(maxsize=2048)
def _parsed(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Digest of what code does, and its imports, dotted, relative ones with dots in front.

    Imports for type checkers alone are none. What cannot be parsed counts as it is.
    """
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return hashlib.sha256(content).digest(), ()
    imports = tuple(_imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _is_text(one)]
    return hashlib.sha256(ast.dump(tree).encode()).digest(), imports


def _is_text(node: ast.stmt) -> bool:
    """Whether it is a docstring, or one of an attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _imports(node: ast.AST) -> Iterator[str]:
    """Of `from a import b` both `a` and `a.b`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        up, module = "." * node.level, node.module or ""
        yield up + module
        yield from (up + f"{module}.{alias.name}".lstrip(".") for alias in node.names)
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        children = iter(node.orelse)
    for child in children:
        yield from _imports(child)
