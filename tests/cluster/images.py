"""Images of what this machine has: nothing is pulled, and no registry is asked.

The pipeline's image is that of k8s/images/pipeline.Dockerfile but for its bases: Python, the shell
and their libraries are this machine's, and Beam's `boot` is missing. Its packages are those of the
image's own lock, from the environment that `make setup` made.
"""

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "k8s" / "images" / "pipeline.Dockerfile"
LOCK = ROOT / "k8s" / "images" / "requirements.lock"
PYTHON = f"python3.{sys.version_info.minor}"
STDLIB, PURELIB = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
# What the manifests' scripts and probes call, and `kubectl cp`.
PROGRAMS = "bash sh cat echo env id ls mkdir mktemp mv rm rmdir sed sleep tar touch"
UNUSED = re.compile(r"(site-packages/(?!pip)|test|idlelib|tkinter|turtledemo|ensurepip|config-)")
USER = 65532
# The embedded server takes TensorFlow Serving's flags; it listens on one address unless told.
SERVER = '#!/bin/sh\nexec pawlens serve --host 0.0.0.0 "$@"\n'
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Image(NamedTuple):
    """An image: its names, its layers from the lowest on, and its configuration."""

    names: list[str]
    layers: list[Path]
    config: dict[str, Any]


class Layer(tarfile.TarFile):
    """A layer that is being written; all may read what is in it, and root owns it."""

    def put(self, name: str, content: Path | str = "", mode: int = 0, **attributes: Any) -> None:
        """Adds a file with the content of another, or a text, or what the attributes say."""
        entry = tarfile.TarInfo(name.lstrip("/"))
        text = b"" if isinstance(content, Path) else content.encode()
        entry.size, entry.mode = len(text), mode or 0o644
        for key, value in attributes.items():
            setattr(entry, key, value)
        if not isinstance(content, Path):
            self.addfile(entry, io.BytesIO(text))
            return
        status = content.stat()
        entry.size, entry.mtime = status.st_size, int(status.st_mtime)
        entry.mode = 0o755 if status.st_mode & 0o111 else 0o644
        with content.open("rb") as file:
            self.addfile(entry, file)


def make_layer(path: Path, fill: Callable[[Layer], None]) -> Path:
    """Writes a layer, whole or not at all, and its digest beside it, unless it is there."""
    if not path.with_suffix(".sha256").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        with Layer(draft, "w") as layer:
            fill(layer)
        with draft.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        draft.rename(path)
        path.with_suffix(".sha256").write_text(digest)
    return path


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path


def _compile(folder: str) -> None:
    """Writes the bytecode of what steps import, as the Dockerfile does: it spares each a minute."""
    [imports] = re.findall(r'"(import tfx[^"]*)"', DOCKERFILE.read_text())
    variables = os.environ | {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", imports]
    subprocess.run(command, env=variables, check=True, stderr=subprocess.DEVNULL)


def _packages(bytecode: str) -> Iterator[tuple[str, Path]]:
    """Files of the packages that the image's lock names, and their bytecode."""
    for package in re.findall(r"^([a-z0-9][\w.-]*)==", LOCK.read_text(), re.M):
        for file in importlib.metadata.distribution(package).files or ():
            if ".." in file.parts or file.parts[:2] == ("tensorflow", "include"):
                continue
            yield str(file), PURELIB / file
            if file.suffix == ".py":
                name = f"{file.stem}.{sys.implementation.cache_tag}.pyc"
                compiled = Path(bytecode, *PURELIB.parts[1:], file.parent, name)
                yield str(file.parent / "__pycache__" / name), compiled


def _libraries(files: list[Path]) -> set[Path]:
    """Libraries of this machine that these programs and libraries load."""
    found: set[Path] = set()
    for start in range(0, len(files), 200):
        command = ["ldd", *files[start : start + 200]]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        found |= {Path(one) for one in re.findall(r"(/\S+) \(0x", told)}
    return {one for one in found if not any(map(one.is_relative_to, (STDLIB, PURELIB)))}


def _fill_base(layer: Layer) -> None:
    """Python, its packages, a shell, and every library that they load."""
    for name in ("bin", "lib", "lib64", "sbin"):
        layer.put(name, type=tarfile.SYMTYPE, linkname=f"usr/{name}")
    layer.put("tmp", type=tarfile.DIRTYPE, mode=0o1777)
    layer.put("home/pawlens", type=tarfile.DIRTYPE, mode=0o755, uid=USER, gid=USER)
    layer.put(
        "etc/passwd", f"root:x:0:0::/:/bin/sh\npawlens:x:{USER}:{USER}::/home/pawlens:/bin/sh\n"
    )
    layer.put("etc/group", f"root:x:0:\npawlens:x:{USER}:\n")
    layer.put("opt/venv/bin/python", type=tarfile.SYMTYPE, linkname=f"/usr/local/bin/{PYTHON}")
    about = f"version = {platform.python_version()}\ninclude-system-site-packages = true\n"
    layer.put("opt/venv/pyvenv.cfg", f"home = /usr/local/bin\n{about}")
    files = {f"usr/bin/{name}": Path(shutil.which(name) or name) for name in PROGRAMS.split()}
    files[f"usr/local/bin/{PYTHON}"] = Path(sys.executable).resolve()
    for name, path in _files(STDLIB):
        if not UNUSED.match(name):
            files[f"usr/local/lib/{PYTHON}/{name}"] = path
    bytecode = tempfile.TemporaryDirectory()
    _compile(bytecode.name)
    for name, path in _packages(bytecode.name):
        files[f"opt/venv/lib/{PYTHON}/site-packages/{name}"] = path
    programs = [path for name, path in files.items() if "/bin/" in name or ".so" in path.suffixes]
    for path in _libraries(programs):  # /lib leads to /usr/lib here, too
        files[str(path.parent.resolve() / path.name)] = path
    for name, path in files.items():
        if path.is_file():
            layer.put(name, path)
    bytecode.cleanup()


def _fill_code(layer: Layer) -> None:
    """The project as the Dockerfile installs it, and a stand-in for TensorFlow Serving's server."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "app")
        for part in ("components", "pipelines", "serving"):
            shutil.copytree(ROOT / part, source / part)
        for part in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / part, source)
        uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--offline"]
        where = ["--python", sys.executable, "--target", target, source]
        subprocess.run([*uv, "--no-deps", "--no-build-isolation", *where], check=True)
        script = (target / "bin" / "pawlens").read_text().partition("\n")[2]
        layer.put("app/bin/pawlens", f"#!/opt/venv/bin/python\n{script}", 0o755)
        layer.put("app/bin/tensorflow_model_server", SERVER, 0o755)
        layer.put("app/check.py", DOCKERFILE.with_name("check.py"))
        for name, path in _files(target):
            if not name.startswith("bin/"):
                layer.put(f"app/{name}", path)


def pipeline_image(cache: Path, work: Path) -> Image:
    """The image of all steps and servers; its lower layer is kept, as it takes a minute."""
    seen = hashlib.sha256(LOCK.read_bytes() + Path(__file__).read_bytes() + sys.version.encode())
    base = make_layer(cache / f"{seen.hexdigest()[:16]}.tar", _fill_base)
    [block] = re.findall(r"^ENV (HOME(?:.*\\\n)*.*)", DOCKERFILE.read_text(), re.M)
    variables = re.findall(r"\w+=\S+", block.replace("$PATH", "/usr/local/bin:/usr/bin"))
    config = {"Env": variables, "User": f"{USER}:{USER}", "WorkingDir": "/app"}
    names = ["docker.io/pawlens/pipeline:0.1.0", "docker.io/tensorflow/serving:2.21.0"]
    return Image(names, [base, make_layer(work / "code.tar", _fill_code)], config)


def program_image(program: Path, work: Path) -> Image:
    """The image of one program that needs nothing else."""
    layer = make_layer(work / f"{program.name}.tar", lambda tar: tar.put(program.name, program))
    name = f"docker.io/pawlens/{program.name}:1"
    return Image([name], [layer], {"Entrypoint": [f"/{program.name}"]})


def write_archive(image: Image, file: IO[bytes]) -> None:
    """Writes it in Docker's format, as `ctr images import` reads it."""
    digests = [f"sha256:{one.with_suffix('.sha256').read_text()}" for one in image.layers]
    about = {
        "architecture": MACHINES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    layers = [one.name for one in image.layers]
    manifest = {"Config": "config.json", "RepoTags": image.names, "Layers": layers}
    with Layer.open(fileobj=file, mode="w|", bufsize=2**20) as archive:
        archive.put("config.json", json.dumps(about))
        archive.put("manifest.json", json.dumps([manifest]))
        for layer in image.layers:
            archive.put(layer.name, layer)
