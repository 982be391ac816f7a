"""Flink, Beam's job server and its pool of Python workers, as processes of this machine."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import binaries
import yaml
from kubectl import ROOT, wait_until

PINNED = Path(__file__).with_name("flink")
# Of all the jars that Maven brings for the job server, one after the other.
JARS = "057a1bde2709d8e053eb67d46cb6255abf0238df745cd544821979c4d725130a"
MAINS = {
    "jobmanager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "taskmanager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}


def fetch() -> Path:
    """Fetches what `flink/` pins, unless it is there; returns the folder."""
    pinned = b"".join(one.read_bytes() for one in sorted(PINNED.iterdir()))
    digest = hashlib.sha256(pinned).hexdigest()
    folder = binaries.CACHE / f"flink-{digest[:16]}"
    if folder.exists():
        return folder
    if not shutil.which("mvn"):
        sys.exit("cluster: found no mvn, which fetches Flink's jars: apt-get install maven")
    draft = folder.with_suffix(f".{os.getpid()}")
    draft.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    lock = ["--require-hashes", "--requirement", PINNED / "requirements.lock"]
    subprocess.run([*pip, *lock, "--dest", draft], check=True)
    [package] = draft.glob("*.tar.gz")
    shutil.unpack_archive(package, draft, filter="data")
    package.unlink()
    [parts] = draft.glob("*/deps")
    parts.rename(draft / "flink")
    maven = ["mvn", "--quiet", "--batch-mode", "-Dstyle.color=never", "--file", PINNED / "pom.xml"]
    jars = ["dependency:copy-dependencies", f"-DoutputDirectory={draft / 'jobserver'}"]
    subprocess.run([*maven, *jars], check=True)
    brought = b"".join(one.read_bytes() for one in sorted((draft / "jobserver").iterdir()))
    if (found := hashlib.sha256(brought).hexdigest()) != JARS:
        sys.exit(f"cluster: expected jars of digest {JARS}, found {found}")
    draft.rename(folder)
    return folder


class Flink:
    """A session cluster with one task manager, with the configuration of k8s/flink."""

    def __init__(self, work: Path):
        self._work, self._files = work, fetch()
        work.mkdir()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        config = yaml.safe_load((ROOT / "k8s/flink/config/config.yaml").read_text())
        for key in config:
            if key.endswith(("address", "host")):
                config[key] = "127.0.0.1"
        config["io.tmp.dirs"] = str(work)
        (work / "config.yaml").write_text(yaml.safe_dump(config))
        shutil.copy(ROOT / "k8s/flink/config/log4j-console.properties", work)

    def __enter__(self) -> "Flink":
        self._start_flink("jobmanager", "GET_JM_RESOURCE_PARAMS")
        self.start_task_manager()
        where = ["--job-host=127.0.0.1", "--job-port=8099", "--artifact-port=8098"]
        where += ["--flink-master=127.0.0.1:8081", f"--artifacts-dir={self._work / 'staging'}"]
        main = "org.apache.beam.runners.flink.FlinkJobServerDriver"
        self._start("jobserver", ["java", "-cp", f"{self._files}/jobserver/*", main, *where])
        boot = f"--container_executable={shutil.which('boot')}"
        pool = ["-m", "apache_beam.runners.worker.worker_pool_main", "--service_port=50000"]
        self._start("pool", [sys.executable, *pool, boot])
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            os.killpg(process.pid, signal.SIGTERM)  # the pool's workers are of its group
            process.wait()

    def ask(self, path: str) -> Any:
        """What the job manager answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:8081/{path}", timeout=10) as answer:
            return json.load(answer)

    def log(self, name: str) -> str:
        """What a process has said."""
        return (self._work / f"{name}.log").read_text(errors="replace")

    def start_task_manager(self) -> None:
        """Starts it and waits until its slots are offered."""
        self._start_flink("taskmanager", "GET_TM_RESOURCE_PARAMS")
        wait_until(lambda: self.ask("overview")["slots-total"] == 2, 120, "two slots")

    def kill_task_manager(self) -> None:
        self._running["taskmanager"].kill()
        self._running["taskmanager"].wait()

    def _start_flink(self, name: str, sizes: str) -> None:
        """As Flink's scripts do: another program says how much memory is for what."""
        flags = ["--configDir", self._work]
        java = ["java", "-cp", f"{self._files}/flink/bin/*:{self._files}/flink/lib/*"]
        asked = [*java, "org.apache.flink.runtime.util.bash.BashJavaUtils", sizes, *flags]
        told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        machine, properties = (one.split() for one in re.findall("RESULT:(.*)", told))
        log = f"-Dlog4j.configurationFile={self._work}/log4j-console.properties"
        self._start(name, [*java, *machine, log, MAINS[name], *flags, *properties])

    def _start(self, name: str, command: list[Any]) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = os.environ | {"PATH": path, "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1"}
        place: dict[str, Any] = {"cwd": self._work, "env": own, "start_new_session": True}
        with (self._work / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log, **place)
