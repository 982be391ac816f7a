"""What a step is, told by the step itself: its package holds a `Step`, which is light.

The order of the steps is the pipeline's (`pipelines.steps`); everything else that a runner has to
know of one stands here.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """A step of a pipeline.

    Attributes:
        name: its id in the pipeline.
        section: the configuration's section without which the pipeline has no such step; empty: it
            always has.
        beam: whether it runs on Beam.
        cached: whether its result may be taken from an earlier run. Not where it depends on what no
            runner can see, such as what is served.
        talkative: whether it prints progress of its own.
        uses: what it needs of a cluster: `data` (the data folder), `models` (the serving root),
            `state` (what a killed training goes on from).
        sources: modules whose code it runs without importing it: named by a string, or started as a
            process.
    """

    name: str
    section: str = ""
    beam: bool = False
    cached: bool = True
    talkative: bool = False
    uses: str = ""
    sources: tuple[str, ...] = ()


def lazily(package: str, **exports: str) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562) that imports what is heavy when it is first asked for.

    Type checkers see Any there; what they are to check imports from the modules themselves.

    Args:
        package: its dotted name.
        exports: attribute -> the module of the package that defines it.
    """

    def find(name: str) -> Any:
        if name not in exports:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(f"{package}.{exports[name]}"), name)

    return find
