"""kubectl, as tests call it, and volumes for the claims that they make."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any

ROOT = Path(__file__).parents[2]
VOLUMES = Path("/var/lib/volumes")


def wait_until(condition: Callable[[], Any], seconds: float, what: str, rest: float = 0.5) -> Any:
    """What the condition returns once it holds; errors on the way are no answer yet."""
    end = time.monotonic() + seconds
    found: Any = None
    while time.monotonic() < end:
        try:
            if found := condition():
                return found
        except (KubectlError, OSError) as error:
            found = error
        time.sleep(rest)
    raise TimeoutError(f"expected {what} within {seconds:g} s, found {found!r}")


class KubectlError(Exception):
    """kubectl failed, and what it said."""


class Kubectl:
    """Calls kubectl, in a namespace if one is given; the configuration is the environment's."""

    def __init__(self, namespace: str = ""):
        self._options = ["--namespace", namespace] if namespace else []

    def __call__(self, *arguments: object, given: Any = None, seconds: float = 120) -> str:
        """The output; `given` is sent as YAML's subset, JSON."""
        command = ["kubectl", *self._options, *(str(one) for one in arguments)]
        text = given if isinstance(given, str) or given is None else json.dumps(given)
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=seconds, check=False
        )
        if done.returncode:
            raise KubectlError(
                f"{' '.join(command[:12])}: {done.stderr.strip()} {done.stdout[-2000:]}"
            )
        return done.stdout

    def get(self, *arguments: object) -> Any:
        return json.loads(self("get", *arguments, "-o", "json"))

    def apply(self, *manifests: Any) -> str:
        """Applies objects server-side."""
        given = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        return self("apply", "--server-side", "-f", "-", given=given)

    def pods(self, selector: str) -> list[Any]:
        """Pods that are not on their way out."""
        found = self.get("pods", "--selector", selector)["items"]
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def provide_volumes(kubectl: Kubectl) -> None:
    """Gives each claim of the namespace a volume."""
    template = Template(Path(__file__).with_name("config").joinpath("volume.yaml").read_text())
    for claim in kubectl.get("persistentvolumeclaims")["items"]:
        about = {key: claim["metadata"][key] for key in ("namespace", "name")}
        Path(VOLUMES, *about.values()).mkdir(parents=True, exist_ok=True)
        kubectl("apply", "-f", "-", given=template.substitute(about))
