"""The first process of the namespace: makes it a node and a control plane, then runs pytest.

    node.py WORK PROGRAMS IMAGES [pytest's arguments]

run.py calls it. When it ends, however it does, everything that it started ends with it.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import images
import yaml
from kubectl import Kubectl, wait_until

HERE = Path(__file__).parent
NAME = "pawlens-node"
RUN = Path("/run/pawlens")
CONFIG = RUN / "config"
# As pods find the API server.
ACCOUNT = Path("/run/secrets/kubernetes.io/serviceaccount")
API = {"KUBERNETES_SERVICE_HOST": "192.168.77.1", "KUBERNETES_SERVICE_PORT": "6443"}


def command(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def enter(work: Path, programs: Path) -> None:
    """Gives the namespace mounts, a name and a network of its own."""
    command("mount", "--make-rshared", "/")
    for folder in ("/run", "/var/log"):
        command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    for source, target in (
        (work / "lib", Path("/var/lib")),
        (HERE / "config", CONFIG),
        (programs, RUN / "bin"),
    ):
        for folder in (source, target):
            folder.mkdir(parents=True, exist_ok=True)
        command("mount", "--bind", source, target)
    kernel = yaml.safe_load((CONFIG / "kernel.yaml").read_text())
    texts = {f"/proc/sys/{name}": f"{value}\n" for name, value in kernel.items()}
    resolv = Path("/etc/resolv.conf").resolve()
    resolv.parent.mkdir(parents=True, exist_ok=True)
    resolv.touch()
    texts[str(resolv)] = "nameserver 10.96.0.10\nsearch svc.cluster.local\n"
    texts["/etc/hosts"] = f"127.0.0.1 localhost {NAME}\n"
    for number, (path, text) in enumerate(texts.items()):
        (RUN / f"file-{number}").write_text(text)
        command("mount", "--bind", RUN / f"file-{number}", path)
    socket.sethostname(NAME)
    command("ip", "-batch", CONFIG / "links.txt")
    for name in ("ipv4/ip_forward", "bridge/bridge-nf-call-iptables"):
        Path("/proc/sys/net", name).write_text("1")
    os.environ |= {"PATH": f"{RUN}/bin:{os.environ['PATH']}", "KUBECONFIG": f"{CONFIG}/admin.conf"}


def make_keys() -> None:
    """Keys of service accounts, and those by which the API server is known to its extensions."""
    command("openssl", "genrsa", "-out", RUN / "accounts.key", "2048")
    front = ["-keyout", RUN / "front.key", "-out", RUN / "front.crt", "-subj", "/CN=front-proxy"]
    command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", *front)


class Cluster:
    """Its processes, by name; `logs` is where they write."""

    def __init__(self, logs: Path):
        self._logs, self._start = logs, time.monotonic()
        self._flags = yaml.safe_load((CONFIG / "processes.yaml").read_text())
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def say(self, words: str) -> None:
        print(f"cluster: {words}, {time.monotonic() - self._start:.0f} s", flush=True)

    def start(self, *names: str, more: tuple[str, ...] = ()) -> None:
        for name in names:
            with (self._logs / f"{name}.log").open("wb") as log:
                self._running[name] = subprocess.Popen(
                    [name, *self._flags[name], *more], stdout=log, stderr=log, env=os.environ | API
                )

    def check(self) -> None:
        """Ends the program if a process has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                tail = (self._logs / f"{name}.log").read_text(errors="replace")[-3000:]
                sys.exit(f"cluster: {name} ended with {process.returncode}: {tail}")

    def wait(self, *arguments: object, what: str) -> None:
        """Waits until kubectl succeeds."""
        wait_until(lambda: self.check() or Kubectl()(*arguments) or True, 240, what)
        self.say(what)

    def import_images(self, archives: Path) -> None:
        """All images of the cluster: nothing is pulled."""
        wait_until(Path("/run/containerd/containerd.sock").exists, 30, "containerd's socket")
        ctr = ["ctr", "--namespace", "k8s.io", "images"]
        for archive in sorted(archives.glob("*.tar")):
            command(*ctr, "import", "--local", archive)
        command(*ctr, "tag", images.PIPELINE, "docker.io/tensorflow/serving:2.21.0")
        self.say("all images are imported")

    def enforce_policies(self) -> None:
        """Starts the engine of NetworkPolicies, which looks for the API server as pods do."""
        ACCOUNT.mkdir(parents=True)
        (ACCOUNT / "token").write_text((CONFIG / "tokens.csv").read_text().partition(",")[0])
        (ACCOUNT / "ca.crt").write_bytes((RUN / "apiserver.crt").read_bytes())
        self.start("kube-network-policies")
        queues = Path("/proc/net/netfilter/nfnetlink_queue")
        wait_until(lambda: self.check() or queues.read_text(), 60, "the engine of NetworkPolicies")
        command("iptables-restore", "--noflush", CONFIG / "policies.rules")


def main() -> int:
    work, programs, archives, *arguments = sys.argv[1:]
    enter(Path(work), Path(programs))
    make_keys()
    logs = Path(work, "logs")
    logs.mkdir()
    cluster = Cluster(logs)
    cluster.start("containerd", "etcd", "kube-apiserver")
    cluster.import_images(Path(archives))
    cluster.wait("get", "--raw", "/readyz", what="the API server answers")
    cluster.start("kube-controller-manager", "kube-scheduler", "kube-proxy")
    cluster.start("kubelet", more=(f"--cgroup-root=/{Path(work).name}",))
    cluster.wait(
        "apply", "--server-side", "-f", CONFIG / "manifests", what="its own parts are told"
    )
    ready = ["--for=condition=Ready", "node/pawlens-node", "--timeout=5s"]
    cluster.wait("wait", *ready, what="the node is ready")
    cluster.enforce_policies()
    for name in ("coredns", "metrics-server"):
        status = ["rollout", "status", f"deployment/{name}", "--namespace=kube-system"]
        cluster.wait(*status, "--timeout=5s", what=f"{name} answers")
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout=1200",
        *arguments,
        HERE,
    ]
    environment = os.environ | {"PAWLENS_CLUSTER": work, "PYTHONPATH": str(HERE)}
    status = subprocess.run(tests, cwd=HERE.parents[1], env=environment, check=False).returncode
    cluster.check()
    return status


if __name__ == "__main__":
    sys.exit(main())
