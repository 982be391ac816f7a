"""The programs of a cluster, built from the Go modules that go.mod and go.sum pin."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "pawlens", "cluster")
# Go names a program by its folder.
NAMES = {"server": "etcd", "cmd": "kube-network-policies", "container": "boot"}
# Its definitions of custom resources are real; tools.go pins it.
OPERATOR = "github.com/prometheus-operator/prometheus-operator"
# What else is needed of the machine, and Debian's packages that have it.
TOOLS = {"go": "golang", "runc": "runc", "iptables": "iptables", "ip": "iproute2"}
TOOLS |= {"unshare": "util-linux", "openssl": "openssl"}
TOOLS |= {"buildah": "buildah", "debootstrap": "debootstrap"}


def check_machine() -> None:
    """Ends the program, saying what is missing, where no cluster can run."""
    if sys.platform != "linux" or os.geteuid() != 0:
        sys.exit("cluster: expected root on Linux, as kubelet and containerd need it")
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        packages = " ".join(TOOLS[tool] for tool in missing)
        go = f"; Go {_version('go')} or later is on go.dev" if "go" in missing else ""
        sys.exit(f"cluster: found no {', '.join(missing)}: apt-get install {packages}{go}")


def _version(module: str) -> str:
    """The version of a module, or of `go`, that go.mod asks for."""
    [version] = re.findall(rf"^\s*{module} (\S+)", (HERE / "go.mod").read_text(), re.M)
    return version


def build() -> Path:
    """Builds what is not there yet, which takes ten minutes or more; returns the folder."""
    files = [HERE / "go.mod", HERE / "go.sum", *sorted(HERE.glob("*/*.go")), Path(__file__)]
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()
    folder = CACHE / digest[:16]
    if folder.exists():
        return folder
    start = time.monotonic()
    print(f"cluster: building Kubernetes {_version('k8s.io/kubernetes')} and its parts", flush=True)
    draft = folder.with_suffix(f".{os.getpid()}")
    draft.mkdir(parents=True)
    version = f"-X k8s.io/component-base/version.gitVersion={_version('k8s.io/kubernetes')}"
    command = ["go", "build", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {version}"]
    wanted = ["-o", f"{draft}/", "tool", "./coredns", "./pause"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    subprocess.run([*command, *wanted], cwd=HERE, env=environment, check=True)
    for name, wished in NAMES.items():
        (draft / name).rename(draft / wished)
    told = ["go", "mod", "download", "-json", OPERATOR]
    source = subprocess.run(told, cwd=HERE, capture_output=True, check=True).stdout
    crds = Path(json.loads(source)["Dir"], "example", "prometheus-operator-crd")
    shutil.copytree(crds, draft / "crds")
    draft.rename(folder)
    print(f"cluster: built in {folder}, {time.monotonic() - start:.0f} s", flush=True)
    return folder
