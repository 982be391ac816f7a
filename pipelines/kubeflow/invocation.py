"""What the backend asks a container to do, as its command line says it."""

import argparse
import json
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentInputsSpec, ExecutorInput

from serving.errors import InputError

EXECUTOR_FLAG = "--executor_class_path"
INVOCATION_FLAG = "--json_serialized_invocation_args"
INPUTS_SPEC_FLAG = "--json_serialized_inputs_spec_args"

# Added by the backend: the container's own log, which only the launcher writes.
_LOGS = "executor-logs"
# Added by the backend to the metadata of artifacts, for its own use.
_BACKEND_METADATA = ("display_name", "store_session_info")

_AnyMessage = TypeVar("_AnyMessage", bound=Message)


@dataclass(frozen=True)
class Invocation:
    """One execution of one step.

    Attributes:
        executor: import path of the executor's class.
        request: inputs and outputs, as the backend gives them, without what it added.
        declared: inputs and parameters, as the component declares them.
        beam_args: Beam pipeline options.
    """

    executor: str
    request: ExecutorInput = field(repr=False)
    declared: ComponentInputsSpec = field(repr=False)
    beam_args: list[str] = field(repr=False)


def parse(argv: list[str]) -> Invocation:
    """Reads the command line that the compiled pipeline holds.

    Raises:
        InputError: a flag is missing or is not what it should be.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    parser.add_argument(EXECUTOR_FLAG, required=True)
    parser.add_argument(INVOCATION_FLAG, required=True)
    parser.add_argument(INPUTS_SPEC_FLAG, required=True)
    flags, beam_args = parser.parse_known_args(argv)
    request = _message(
        INVOCATION_FLAG, flags.json_serialized_invocation_args, ExecutorInput(), _clean
    )
    if not request.outputs.output_file:
        raise InputError(f"{INVOCATION_FLAG}: outputs.outputFile", expected="a path")
    declared = _message(
        INPUTS_SPEC_FLAG, flags.json_serialized_inputs_spec_args, ComponentInputsSpec()
    )
    return Invocation(flags.executor_class_path, request, declared, beam_args)


def step_name(executor: str) -> str:
    """`example_gen` of `components.example_gen.executor.Executor`."""
    module = executor.split(".")[:-1]
    if module[-1:] == ["executor"]:
        module.pop()
    return module[-1] if module else executor


def _message(flag: str, text: str, message: _AnyMessage, clean: Any = None) -> _AnyMessage:
    """Parses JSON; fields that a newer backend may add are passed over."""
    try:
        tree = json.loads(text)
        if clean:
            clean(tree)
        return json_format.ParseDict(tree, message, ignore_unknown_fields=True)
    except (json.JSONDecodeError, json_format.ParseError, AttributeError, TypeError) as error:
        raise InputError(
            flag, expected=f"a {message.DESCRIPTOR.name} as JSON", found=f"'{text[:60]}' ({error})"
        ) from error


def _clean(tree: dict[str, Any]) -> None:
    """Takes out what the backend adds, and the wrapping of lists and mappings in metadata."""
    outputs = tree.get("outputs", {}).get("artifacts", {})
    outputs.pop(_LOGS, None)
    inputs = tree.get("inputs", {}).get("artifacts", {})
    for listed in (*inputs.values(), *outputs.values()):
        for artifact in listed.get("artifacts", []):
            number = artifact.pop("artifactId", "")  # without ML Metadata, where names are keys
            artifact["name"] = number or artifact.get("name", "")
            artifact["metadata"] = {
                key: value if number else _unwrapped(value)
                for key, value in (artifact.get("metadata") or {}).items()
                if key not in _BACKEND_METADATA and value is not None
            }


def _unwrapped(value: Any) -> Any:
    """ML Metadata holds no lists: the backend stores them, and mappings, one level deeper."""
    if isinstance(value, dict) and len(value) == 1:
        for key, kind in (("list", list), ("struct", dict)):
            if isinstance(value.get(key), kind):
                return value[key]
    return value


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as everything else here."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse."""
        raise InputError(f"command line: {message}")
