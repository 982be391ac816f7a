"""The nodes that train together, as the variable TF_CONFIG names them.

Kubeflow's TFJob sets it on every node, with or without a chief:
`{"cluster": {"chief": ["host:port"], "worker": ["host:port"]}, "task": {"type": ..., "index": 0}}`
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.errors import InputError, check_one_of

VARIABLE = "TF_CONFIG"

_TASKS = ("chief", "worker")  # in TensorFlow's order: the chief, if there is one, is worker 0


@dataclass(frozen=True)
class Cluster:
    """This node's place among all.

    Attributes:
        worker: number of this node, from 0.
        workers: nodes in all.
    """

    worker: int = 0
    workers: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this is the one node that writes; the others write nothing."""
        return self.worker == 0


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """Reads TF_CONFIG; without it, or with an empty one, there is this node alone.

    Raises:
        InputError: it is not what TensorFlow expects.
    """
    text = environment.get(VARIABLE, "").strip()
    if text in ("", "{}"):
        return Cluster()
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(VARIABLE, expected="JSON", found=f"'{_short(text)}' ({error})") from error
    addresses = _addresses(config)
    task = config.get("task")
    kind, index = (task.get("type"), task.get("index")) if isinstance(task, dict) else (None, None)
    if not isinstance(kind, str) or type(index) is not int:
        raise InputError(
            f"{VARIABLE}: task", expected='{"type": ..., "index": number}', found=_short(task)
        )
    check_one_of(f"{VARIABLE}: task.type", kind, addresses, of="a type of cluster:")
    if not 0 <= index < len(addresses[kind]):
        raise InputError(
            f"{VARIABLE}: task.index",
            expected=f"0 to {len(addresses[kind]) - 1}",
            found=str(index),
        )
    before = len(addresses.get("chief", [])) if kind == "worker" else 0
    return Cluster(before + index, sum(map(len, addresses.values())))


def _addresses(config: Any) -> dict[str, list[str]]:
    cluster = config.get("cluster") if isinstance(config, dict) else None
    if not isinstance(cluster, dict) or not cluster:
        raise InputError(
            f"{VARIABLE}: cluster",
            expected='{"worker": ["host:port", ...]}',
            found=_short(cluster if isinstance(config, dict) else config),
        )
    for kind, addresses in cluster.items():
        check_one_of(f"{VARIABLE}: cluster", kind, _TASKS, of="tasks of type")
        if not isinstance(addresses, list) or not addresses or not all(map(_is_address, addresses)):
            raise InputError(
                f"{VARIABLE}: cluster.{kind}",
                expected="a list of 'host:port'",
                found=_short(addresses),
            )
    if len(cluster.get("chief", [])) > 1:
        raise InputError(
            f"{VARIABLE}: cluster.chief", expected="one", found=str(len(cluster["chief"]))
        )
    known = [address for addresses in cluster.values() for address in addresses]
    if len(set(known)) < len(known):
        raise InputError(
            f"{VARIABLE}: cluster", expected="an address of its own for each", found=_short(known)
        )
    return cluster


def _is_address(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    host, colon, port = value.rpartition(":")
    return bool(host and colon) and port.isdecimal() and 0 < int(port) < 2**16


def _short(value: Any) -> str:
    return str(value) if len(str(value)) <= 120 else f"{str(value)[:120]}..."
