"""Ingest in Beam: convert, drop duplicates, split, count."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.components.example_gen.utils import SPAN_PROPERTY_NAME
from tfx.components.example_gen.write_split import WriteSplit
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import features
from components.artifacts import INGEST_SUMMARY, QUARANTINED
from components.datasets.examples import write_classes
from components.datasets.layouts import load_reader
from components.datasets.records import Found, Record
from components.datasets.settings import DataConfig, printable
from components.declared import Given, Properties, StepExecutor
from components.example_gen.driver import FINGERPRINT, Driver
from components.example_gen.settings import ExampleGenConfig
from components.example_gen.splits import Lot, plan, split_index
from components.tasks import Task, get_task
from components.tasks.parts import Converted, Data, RejectedError
from serving.errors import InputError

REJECTED = "rejected"  # the tag of every output that goes to quarantine
ACCEPTED = "accepted"  # the count beside those of the splits: an Example may go to two of them
TURNED = "turned"  # and of pictures that were not upright
FILE_FORMAT = "tfrecords_gzip"  # as TFX tells it
TALLY = "tally"  # the file of what `_draw` counts; removed when it was read
# (The functions below are typed to yield Any: Beam takes their annotations for the main output's
# type and would count tagged outputs in.)


class Executor(StepExecutor, BaseBeamExecutor):
    """Writes Examples by split with their classes, and the quarantine with its counts.

    All that is found ends either in a split or in quarantine: found = accepted + quarantined.
    """

    DRIVER = Driver

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """Runs the Beam pipeline, then sums up what it counted.

        Raises:
            InputError: nothing is left of what was found, a split got nothing, or there is nothing
                to learn a class from.
        """
        examples, quarantine = outputs["examples"], outputs["quarantine"].uri
        task, root = get_task(properties["task"]), Path(properties["input_base"])
        config = ExampleGenConfig.model_validate_json(properties["config"])
        found, part = find(task, root, DataConfig.model_validate_json(properties["data"]))
        planned, notes = plan(found.records, config)
        found.notes.extend(notes)
        examples.split_names = artifact_utils.encode_split_names(list(features.SPLITS))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, FILE_FORMAT)
        examples.set_string_custom_property(FINGERPRINT, properties[FINGERPRINT])
        examples.set_int_custom_property(SPAN_PROPERTY_NAME, 0)
        with self._make_beam_pipeline() as pipeline:
            records = pipeline | "Found" >> beam.Create(planned)
            for name, split in _split(records, part, root, config, quarantine).items():
                folder = artifact_utils.get_split_uri([examples], name)
                _ = split | f"WriteSplit[{name}]" >> WriteSplit(folder, FILE_FORMAT)
        lines = io_utils.read_string_file(f"{quarantine}/{TALLY}").splitlines()
        fileio.remove(f"{quarantine}/{TALLY}")
        tally: Counter[str] = Counter(dict(map(json.loads, lines)))
        summary = _summarize(quarantine, found, tally)
        # Where Examples have no class, none is missing.
        taught = {name for name in tally if name.isdecimal()}
        names = enumerate(found.classes.names)
        untaught = [name for index, name in names if taught and str(index) not in taught]
        _check(summary, untaught, task.unit, properties["input_base"])
        write_classes(examples.uri, found.classes)


def _split(
    records: beam.PCollection, part: Data, root: Path, config: ExampleGenConfig, quarantine: str
) -> dict[str, beam.PCollection]:
    """Split name -> serialized Examples. Writes the quarantine on the way."""
    converted = (
        records
        | "Spread" >> beam.Reshuffle()
        | "Convert"
        >> beam.FlatMap(convert, part, root, config).with_outputs(REJECTED, main=ACCEPTED)
    )
    refused = [converted[REJECTED]]
    accepted = converted[ACCEPTED]
    if config.drop_duplicates:
        unique = (
            accepted
            | "ByContent" >> beam.Map(lambda item: (item[0].digest, item))
            | "Group" >> beam.GroupByKey()
            | "First"
            >> beam.FlatMap(keep_first, part.content).with_outputs(REJECTED, main=ACCEPTED)
        )
        refused.append(unique[REJECTED])
        accepted = unique[ACCEPTED]
    split = accepted | "Split" >> beam.FlatMap(_draw).with_outputs(*features.SPLITS, main=TALLY)
    tally = (
        split[TALLY] | "Count" >> beam.combiners.Count.PerElement() | "Line" >> beam.Map(json.dumps)
    )
    # One file each, of JSON lines: what was refused is small beside what was kept.
    for name, lines in ((TALLY, tally), (QUARANTINED, refused | beam.Flatten())):
        place = f"{quarantine}/{name}"
        _ = lines | f"Write[{name}]" >> beam.io.WriteToText(place, shard_name_template="")
    return {name: split[name] for name in features.SPLITS}


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


def convert(
    item: tuple[Record, tuple[Lot, ...]], part: Data, root: Path, config: ExampleGenConfig
) -> Iterator[Any]:
    """(Record, lots) -> (Converted, lots), or a line of the quarantine under REJECTED.

    Records outside a fixed split are refused unread: that saves their decoding, and keeps them
    from standing as the first of two equal images for the one that is inside.
    """
    record, lots = item
    try:
        if record.problem:
            raise RejectedError(record.problem, record.detail)
        if not lots and config.split == "book_small":
            raise RejectedError("not in split book_small", f"file number {record.number}")
        if not lots:
            raise RejectedError("no split told")
        yield part.convert(root, record, config.max_side), lots
    except RejectedError as error:
        yield _refused(record.path, error.reason, error.detail)


def keep_first(
    group: tuple[str, Iterable[tuple[Converted, tuple[Lot, ...]]]], content: str
) -> Iterator[Any]:
    """Of Examples with the same content, keeps the first by path; none if their labels differ."""
    items = sorted(group[1], key=lambda item: _order(item[0].record.path))
    paths = [item.record.path for item, _ in items]
    if len({item.label for item, _ in items}) > 1:
        for path in paths:
            others = ", ".join(other for other in paths if other != path)
            yield _refused(path, f"same {content} under another label", f"also {others}")
        return
    yield items[0]
    for path in paths[1:]:
        yield _refused(path, "duplicate", f"same {content} as {paths[0]}")


def _draw(item: tuple[Converted, tuple[Lot, ...]]) -> Iterator[Any]:
    """The serialized Example under the name of every split that its key draws.

    And what it counts for: itself, its splits, and if train is one, its class's index.
    """
    converted, lots = item
    splits = [features.SPLITS[split_index(converted.key, lot)] for lot in lots]
    for name in splits:
        yield beam.pvalue.TaggedOutput(name, converted.example)
    yield from (ACCEPTED, *splits)
    if converted.turned:
        yield TURNED
    if converted.label is not None and features.SPLITS[0] in splits:
        yield str(converted.label)


def _refused(path: str, reason: str, detail: str) -> beam.pvalue.TaggedOutput:
    # The quarantine is UTF-8; a file's name may be any bytes.
    told = {"path": printable(path), "reason": printable(reason), "detail": printable(detail)}
    return beam.pvalue.TaggedOutput(REJECTED, json.dumps(told))


def _order(path: str) -> tuple[str, int]:
    """Sorts by path, the rows of a file by number."""
    row = re.fullmatch(r"(.*):(\d+)", path)
    return (row[1], int(row[2])) if row else (path, 0)


def _summarize(uri: str, found: Found, tally: Counter[str]) -> dict[str, Any]:
    """Sorts the quarantine by path and writes the counts beside it."""
    lines = io_utils.read_string_file(f"{uri}/{QUARANTINED}").splitlines()
    lines.sort(key=lambda line: _order(json.loads(line)["path"]))
    io_utils.write_string_file(f"{uri}/{QUARANTINED}", "".join(f"{line}\n" for line in lines))
    summary = {
        "found": tally[ACCEPTED] + len(lines),
        "accepted": tally[ACCEPTED],
        "quarantined": dict(sorted(Counter(json.loads(line)["reason"] for line in lines).items())),
        "splits": {name: tally[name] for name in features.SPLITS},
        "classes": list(found.classes.names),
        "missing": found.missing,
        "notes": [*found.notes, *turned_note(tally[TURNED])],
    }
    io_utils.write_string_file(f"{uri}/{INGEST_SUMMARY}", json.dumps(summary, indent=2))
    return summary


def turned_note(count: int) -> list[str]:
    """What the user should know of pictures that were turned, if there are any."""
    told = f"{count} {'picture' if count == 1 else 'pictures'} carried an EXIF orientation and"
    end = "turned upright; the split key is that of the upright picture"
    return [f"{told} {'was' if count == 1 else 'were'} {end}"] if count else []


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
