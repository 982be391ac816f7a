"""The cluster's images, built by Buildah: nothing is pulled, and no registry is asked.

The pipeline's is what k8s/images/pipeline.Dockerfile says, `check.py` included. In the place of
its bases stand a Debian with its own Python 3.11, uv of this environment, and Beam's `boot`, built
as the cluster's other programs are.
"""

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
SERVING = "docker.io/tensorflow/serving:2.21.0"
DEBIAN = "bookworm"
DEBIAN_PACKAGES = "python3.11-dev,python3-pip,ca-certificates"
# Where a proxy signs with an authority of its own, it is this machine that knows it.
CERTIFICATES = Path("/etc/ssl/certs")


class Images:
    """Builds images into a store of its own below `cache`, which keeps layers for the next time.

    Args:
        programs: the cluster's own.
    """

    def __init__(self, cache: Path, programs: Path):
        self._cache, self._programs = cache, programs
        cache.mkdir(parents=True, exist_ok=True)
        self._uv, self._beam, self._python = re.findall(
            r"^FROM (\S+:\S+) AS", DOCKERFILE.read_text(), re.M
        )

    def build(self) -> Path:
        """Returns a folder in the layout of OCI that holds all images."""
        if not self._buildah("images", "--quiet", "--filter", f"reference={self._python}"):
            self._make_python()
        self._make(self._uv, Path(sys.executable).with_name("uv"), "/uv")
        self._make(self._beam, self._programs / "boot", "/opt/apache/beam/boot")
        self._from_dockerfile(DOCKERFILE, PIPELINE, ROOT, "--build-arg=VARIANT=cpu")
        names = [PIPELINE, SERVING]
        server = Path(__file__).with_name("model-server")
        self._from_dockerfile(server / "Dockerfile", SERVING, server)
        for program in ("pause", "coredns", "metrics-server"):
            names.append(f"docker.io/pawlens/{program}:1")
            self._make(names[-1], self._programs / program, f"/{program}", f"/{program}")
        return self._laid_out(names)

    def _buildah(self, *arguments: object) -> str:
        store = ["--root", self._cache / "store", "--runroot", self._cache / "run"]
        command = ["unshare", "--mount", "buildah", *store, "--storage-driver=overlay", *arguments]
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
        with tempfile.TemporaryDirectory(dir=self._cache) as folder:
            root = Path(folder, "root")
            command = ["debootstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}"]
            subprocess.run([*command, DEBIAN, root], check=True, stdout=subprocess.DEVNULL)
            for name in ("python", "python3"):
                (root / "usr" / "local" / "bin" / name).symlink_to("/usr/bin/python3.11")
            archive = Path(folder, "root.tar")
            subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
            self._make(self._python, archive, "/")

    def _from_dockerfile(self, file: Path, name: str, context: Path, *more: str) -> None:
        options = ["--isolation=chroot", "--pull-never", "--layers"]
        certificates = f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"
        self._buildah(
            "build", *options, certificates, *more, f"--file={file}", f"--tag={name}", context
        )

    def _laid_out(self, names: list[str]) -> Path:
        """Writes the layout anew if an image is another than last time: that takes a minute."""
        told = "\n".join(self._buildah("images", "--quiet", "--no-trunc", name) for name in names)
        digests, layout = self._cache / "digests", self._cache / "layout"
        if not digests.exists() or digests.read_text() != told:
            digests.unlink(missing_ok=True)
            shutil.rmtree(layout, ignore_errors=True)
            for name in names:
                self._buildah(
                    "push", "--quiet", "--disable-compression", name, f"oci:{layout}:{name}"
                )
            index = layout / "index.json"
            listed = json.loads(index.read_text())
            for one in listed["manifests"]:  # as containerd wants to be told a name
                notes = one["annotations"]
                notes["io.containerd.image.name"] = notes["org.opencontainers.image.ref.name"]
            index.write_text(json.dumps(listed))
            digests.write_text(told)
        return layout
