"""Ingest in Beam: convert, drop duplicates, split, count."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils

from components import features
from components.artifacts import INGEST_SUMMARY, QUARANTINED
from components.datasets.examples import write_classes
from components.datasets.layouts import load_reader
from components.datasets.records import Found, Record
from components.datasets.settings import DataConfig, printable
from components.declared import Artifacts, Properties
from components.example_gen.settings import ExampleGenConfig
from components.example_gen.splits import Lot, plan, split_index
from components.tasks import Task, get_task
from components.tasks.parts import Converted, Data, RejectedError
from serving.errors import InputError

REJECTED = "rejected"  # the tag of every output that goes to quarantine
ACCEPTED = "accepted"  # the counter beside those of the splits: an Example may go to two of them
TAUGHT = "taught"  # the file of the classes that train has, removed when it was read
# (The DoFns below are typed to yield Any: Beam takes their annotations for the main output's
# type and would count tagged outputs in.)


class Executor(BaseExampleGenExecutor):
    """Writes Examples by split with their classes, and the quarantine with its counts.

    All that is found ends either in a split or in quarantine: found = accepted + quarantined.
    """

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        """Not used: the data is split here, not by TFX (see `GenerateExamplesByBeam`)."""
        raise NotImplementedError

    def GenerateExamplesByBeam(
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.pvalue.PCollection]:
        """Split name -> serialized Examples. Writes the quarantine on the way."""
        root = Path(exec_properties[specs.INPUT_BASE_KEY])
        config = ExampleGenConfig.model_validate_json(exec_properties["config"])
        data = DataConfig.model_validate_json(exec_properties["data"])
        self._found, part = find(self._task, root, data)
        planned, notes = plan(self._found.records, config)
        self._found.notes.extend(notes)
        converted = (
            pipeline
            | "Found" >> beam.Create(planned)
            | "Spread" >> beam.Reshuffle()
            | "Convert"
            >> beam.ParDo(ConvertFn(part, str(root), config)).with_outputs(REJECTED, main=ACCEPTED)
        )
        refused = [converted[REJECTED]]
        accepted = converted[ACCEPTED]
        if config.drop_duplicates:
            unique = (
                accepted
                | "ByContent" >> beam.Map(lambda item: (item[0].digest, item))
                | "Group" >> beam.GroupByKey()
                | "First" >> beam.ParDo(FirstFn(part.content)).with_outputs(REJECTED, main=ACCEPTED)
            )
            refused.append(unique[REJECTED])
            accepted = unique[ACCEPTED]
        _ = (
            accepted
            | "Taught" >> beam.FlatMap(_taught)
            | beam.Distinct()
            | "WriteTaught"
            >> beam.io.WriteToText(f"{self._quarantine_uri}/{TAUGHT}", shard_name_template="")
        )
        split = accepted | "Split" >> beam.FlatMap(_draw).with_outputs(*features.SPLITS)
        splits = {name: split[name] for name in features.SPLITS}
        # One file, a JSON line each: what was refused is small beside what was kept.
        _ = (
            refused
            | "Refused" >> beam.Flatten()
            | "WriteQuarantine"
            >> beam.io.WriteToText(f"{self._quarantine_uri}/{QUARANTINED}", shard_name_template="")
        )
        for name, counted in {ACCEPTED: accepted, **splits}.items():
            _ = (
                counted
                | f"Count[{name}]" >> beam.combiners.Count.Globally()
                | f"WriteCount[{name}]"
                >> beam.io.WriteToText(
                    f"{self._quarantine_uri}/{name}.count", shard_name_template=""
                )
            )
        return splits

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> None:
        """Runs the Beam pipeline, then sums up what it counted.

        Raises:
            InputError: nothing is left of what was found, a split got nothing, or there is nothing
                to learn a class from.
        """
        self._quarantine_uri = artifact_utils.get_single_uri(output_dict["quarantine"])
        self._task = get_task(exec_properties["task"])
        super().Do(input_dict, output_dict, exec_properties)
        summary = _summarize(self._quarantine_uri, self._found)
        untaught = _untaught(self._quarantine_uri, self._found.classes.names)
        _check(summary, untaught, self._task.unit, exec_properties[specs.INPUT_BASE_KEY])
        write_classes(artifact_utils.get_single_uri(output_dict["examples"]), self._found.classes)


def find(task: Task, root: Path, data: DataConfig) -> tuple[Found, Data]:
    """Lists a data folder and settles its classes; with the task's part that makes Examples of it.

    Raises:
        InputError: the folder is not in that layout, or has no two classes.
    """
    read = load_reader(data.layout or task.layout, task.layouts, "data.layout")
    part = task.data()
    found = part.settle(read(root, data), root, data)
    part.settled(found)
    return found, part


class ConvertFn(beam.DoFn):
    """(Record, lots) -> (Converted, lots), or a line of the quarantine under REJECTED.

    Records outside a fixed split are refused unread: that saves their decoding, and keeps them
    from standing as the first of two equal images for the one that is inside.
    """

    def __init__(self, part: Data, root: str, config: ExampleGenConfig):
        self._part = part
        self._root = root
        self._config = config

    def process(self, item: tuple[Record, tuple[Lot, ...]]) -> Iterator[Any]:
        """Converts one record."""
        record, lots = item
        try:
            if record.problem:
                raise RejectedError(record.problem, record.detail)
            if not lots and self._config.split == "book_small":
                raise RejectedError("not in split book_small", f"file number {record.number}")
            if not lots:
                raise RejectedError("no split told")
            yield self._part.convert(Path(self._root), record, self._config.max_side), lots
        except RejectedError as error:
            yield _refused(record.path, error.reason, error.detail)


class FirstFn(beam.DoFn):
    """Of Examples with the same content, keeps the first by path; none if their labels differ."""

    def __init__(self, content: str):
        self._content = content

    def process(
        self, group: tuple[str, Iterable[tuple[Converted, tuple[Lot, ...]]]]
    ) -> Iterator[Any]:
        """Handles the Examples of one digest."""
        items = sorted(group[1], key=lambda item: _order(item[0].record.path))
        paths = [item.record.path for item, _ in items]
        if len({item.label for item, _ in items}) > 1:
            for path in paths:
                others = ", ".join(other for other in paths if other != path)
                yield _refused(path, f"same {self._content} under another label", f"also {others}")
            return
        yield items[0]
        for path in paths[1:]:
            yield _refused(path, "duplicate", f"same {self._content} as {paths[0]}")


def _draw(item: tuple[Converted, tuple[Lot, ...]]) -> Iterator[Any]:
    """The serialized Example under the name of every split that its key draws."""
    converted, lots = item
    for lot in lots:
        name = features.SPLITS[split_index(converted.key, lot)]
        yield beam.pvalue.TaggedOutput(name, converted.example)


def _taught(item: tuple[Converted, tuple[Lot, ...]]) -> Iterator[str]:
    """The index of an Example's class, if it goes to train."""
    converted, lots = item
    if converted.label is not None and 0 in (split_index(converted.key, lot) for lot in lots):
        yield str(converted.label)


def _refused(path: str, reason: str, detail: str) -> beam.pvalue.TaggedOutput:
    # The quarantine is UTF-8; a file's name may be any bytes.
    told = {"path": printable(path), "reason": printable(reason), "detail": printable(detail)}
    return beam.pvalue.TaggedOutput(REJECTED, json.dumps(told))


def _order(path: str) -> tuple[str, int]:
    """Sorts by path, the rows of a file by number."""
    row = re.fullmatch(r"(.*):(\d+)", path)
    return (row[1], int(row[2])) if row else (path, 0)


def _summarize(uri: str, found: Found) -> dict[str, Any]:
    """Sorts the quarantine by path and writes the counts beside it."""
    counts = {}
    for name in (ACCEPTED, *features.SPLITS):
        counts[name] = int(io_utils.read_string_file(f"{uri}/{name}.count"))
        fileio.remove(f"{uri}/{name}.count")
    lines = io_utils.read_string_file(f"{uri}/{QUARANTINED}").splitlines()
    lines.sort(key=lambda line: _order(json.loads(line)["path"]))
    io_utils.write_string_file(f"{uri}/{QUARANTINED}", "".join(f"{line}\n" for line in lines))
    accepted = counts.pop(ACCEPTED)
    summary = {
        "found": accepted + len(lines),
        "accepted": accepted,
        "quarantined": dict(sorted(Counter(json.loads(line)["reason"] for line in lines).items())),
        "splits": counts,
        "classes": list(found.classes.names),
        "missing": found.missing,
        "notes": found.notes,
    }
    io_utils.write_string_file(f"{uri}/{INGEST_SUMMARY}", json.dumps(summary, indent=2))
    return summary


def _untaught(uri: str, names: tuple[str, ...]) -> list[str]:
    """The classes that no Example of the train split has; none where Examples have no class."""
    taught = io_utils.read_string_file(f"{uri}/{TAUGHT}").split()
    fileio.remove(f"{uri}/{TAUGHT}")
    return [name for index, name in enumerate(names) if taught and str(index) not in taught]


def _check(summary: dict[str, Any], untaught: list[str], unit: str, root: str) -> None:
    """Refuses Examples of which nothing can be made."""
    empty = [name for name, count in summary["splits"].items() if not count]
    if not empty and not untaught:
        return
    reasons = Counter(summary["quarantined"]).most_common(3)
    told = ", ".join(f"{reason}: {count}" for reason, count in reasons)
    refused = f"; quarantined of {summary['found']}: {told}" if told else ""
    if not empty:
        raise InputError(
            f"data.path {root}",
            expected=f"{unit} of every class in the train split",
            found=f"none of {len(untaught)}: {', '.join(untaught[:5])}{refused}",
            todo="add some, or name in data.classes the other classes alone",
        )
    splits = ", ".join(f"{name}: {count}" for name, count in summary["splits"].items())
    raise InputError(
        f"data.path {root}",
        expected=f"{unit} for every split",
        found=f"none for {', '.join(empty)} ({splits}{refused})"
        if summary["accepted"]
        else f"nothing usable{refused}",
        todo=f"add {unit}, or check data.layout, data.classes and example_gen.split",
    )
