"""The cluster's images, built by Buildah: nothing is pulled, and no registry is asked.

The pipeline's is what k8s/images/pipeline.Dockerfile says, `check.py` included. In the place of
its bases stand a Debian with its own Python 3.11, uv of this environment, and Beam's `boot`, built
as the cluster's other programs are.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "k8s" / "images" / "pipeline.Dockerfile"
PIPELINE = "docker.io/pawlens/pipeline:0.1.0"
DEBIAN = "bookworm"
PACKAGES = "python3.11-dev,python3-pip,ca-certificates"
# Where a proxy signs with an authority of its own, it is this machine that knows it.
CERTIFICATES = Path("/etc/ssl/certs")


class Images:
    """Builds images into a store of its own below `cache`, which keeps layers for the next time.

    Args:
        programs: the cluster's own.
    """

    def __init__(self, cache: Path, programs: Path):
        self._cache, self._programs = cache, programs
        self._store, self._archives = cache / "store", cache / "archives"
        self._archives.mkdir(parents=True, exist_ok=True)
        self._uv, self._beam, self._python = re.findall(
            r"^FROM (\S+:\S+) AS", DOCKERFILE.read_text(), re.M
        )

    def build(self) -> Path:
        """Returns a folder of archives that `ctr images import` takes, one for each image."""
        self._make_python()
        self._make(self._uv, Path(sys.executable).with_name("uv"), "/uv")
        self._make(self._beam, self._programs / "boot", "/opt/apache/beam/boot")
        options = ["--isolation=chroot", "--pull-never", "--layers", "--force-rm"]
        certificates = f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"
        where = ["--build-arg=VARIANT=cpu", f"--file={DOCKERFILE}", f"--tag={PIPELINE}", ROOT]
        self._buildah("build", *options, certificates, *where)
        self._save("pipeline", PIPELINE)
        for program in ("pause", "coredns", "metrics-server"):
            name = f"docker.io/pawlens/{program}:1"
            self._make(name, self._programs / program, f"/{program}", f"/{program}")
            self._save(program, name)
        return self._archives

    def _buildah(self, *arguments: object) -> str:
        where = ["--root", self._store / "root", "--runroot", self._store / "run"]
        command = ["unshare", "--mount", "buildah", *where, "--storage-driver=overlay", *arguments]
        with (self._cache / "buildah.log").open("ab") as log:
            done = subprocess.run(
                [str(word) for word in command], stdout=subprocess.PIPE, stderr=log, check=False
            )
            log.write(done.stdout)
        if done.returncode:
            sys.exit(f"cluster: buildah {arguments[0]} failed; see {log.name}")
        return done.stdout.decode().strip()

    def _make(self, name: str, source: Path, target: str, entrypoint: str = "") -> None:
        """An image of one file or one archive."""
        container = self._buildah("from", "scratch")
        self._buildah("add", "--quiet", container, source, target)
        command = [f"--entrypoint={json.dumps([entrypoint])}"] if entrypoint else []
        self._buildah("config", f"--env=SSL_CERT_DIR={CERTIFICATES}", *command, container)
        self._buildah("commit", "--quiet", "--rm", "--timestamp=0", container, name)

    def _make_python(self) -> None:
        """Unless all that is large stands as it was: else the store of 12 GB is made anew."""
        server = Path(__file__).with_name("tensorflow_model_server")
        files = [DOCKERFILE, DOCKERFILE.with_name("requirements.lock"), server, Path(__file__)]
        read = b"".join(one.read_bytes() for one in files) + self._programs.name.encode()
        digest = hashlib.sha256(read).hexdigest()
        if (self._store / digest).exists():
            return
        if self._store.exists():
            shutil.rmtree(self._store)
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            root = Path(folder, "root")
            command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}"]
            subprocess.run([*command, DEBIAN, root], check=True, stdout=subprocess.DEVNULL)
            local = root / "usr" / "local" / "bin"
            for name in ("python", "python3"):
                (local / name).symlink_to("/usr/bin/python3.11")
            shutil.copy(server, local)
            archive = Path(folder, "root.tar")
            subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
            self._make(self._python, archive, "/")
        (self._store / digest).touch()

    def _save(self, stem: str, image: str) -> None:
        """Writes the archive, unless it is there: the pipeline's takes a minute."""
        digest = self._buildah("images", "--quiet", "--no-trunc", image).partition(":")[2]
        archive = self._archives / f"{stem}-{digest[:16]}.tar"
        if not archive.exists():
            for other in self._archives.glob(f"{stem}-*"):
                other.unlink()
            draft = archive.with_suffix(".draft")
            self._buildah("push", "--quiet", image, f"docker-archive:{draft}:{image}")
            draft.rename(archive)
