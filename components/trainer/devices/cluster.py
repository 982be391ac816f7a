"""The nodes that train together, as the variable TF_CONFIG names them.

Kubeflow's TFJob sets it on every node, with or without a chief:
`{"cluster": {"chief": ["host:port"], "worker": ["host:port"]}, "task": {"type": ..., "index": 0}}`
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from components.settings import Section
from serving.errors import InputError

VARIABLE = "TF_CONFIG"

_Address = Annotated[str, Field(pattern=r"^.+:\d{1,5}$")]  # host:port


class _Nodes(Section):
    chief: Annotated[list[_Address], Field(max_length=1)] = []
    worker: list[_Address] = []


class _Task(Section):
    type: Literal["chief", "worker"]
    index: Annotated[int, Field(ge=0)]


class _Told(BaseModel):
    """TF_CONFIG; TFJob adds keys of its own, which do not count."""

    cluster: _Nodes
    task: _Task


@dataclass(frozen=True)
class Cluster:
    """This node's place among all."""

    worker: int = 0  # number of this node
    workers: int = 1  # nodes in all

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
        told = _Told.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = f"{VARIABLE}: {'.'.join(map(str, problem['loc']))}".removesuffix(": ")
        raise InputError(
            f"{where}: {problem['msg']}", found=repr(problem["input"])[:120]
        ) from error
    nodes, task = told.cluster, told.task
    own = getattr(nodes, task.type)
    if task.index >= len(own):
        found = f"'{task.type}' {task.index} of {len(own)}"
        raise InputError(f"{VARIABLE}: task", expected="a node of the cluster", found=found)
    known = [*nodes.chief, *nodes.worker]  # in TensorFlow's order
    if len(set(known)) < len(known):
        raise InputError(
            f"{VARIABLE}: cluster", expected="an address of its own for each", found=str(known)
        )
    before = len(nodes.chief) if task.type == "worker" else 0
    return Cluster(before + task.index, len(known))
