"""Ingest in Beam: convert, drop duplicates, split, count."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from tfx.components.example_gen.base_example_gen_executor import BaseExampleGenExecutor
from tfx.dsl.io import fileio
from tfx.proto import example_gen_pb2
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import proto_utils

from components import features
from components.artifacts import INGEST_SUMMARY, QUARANTINED
from components.datasets import BLOBS, Picture, Point, list_pictures, list_points
from components.example_gen.convert import Converted, RejectedError, convert
from components.example_gen.convert_point import convert_point
from components.example_gen.split_key import book_small_index, split_index
from serving.errors import InputError

REJECTED = "rejected"  # the tag of every output that goes to quarantine
# (The DoFns below are typed to yield Any: Beam takes their annotations for the main output's
# type and would count tagged outputs in.)
Refusal = tuple[str, str, str]  # path, reason, detail


class Executor(BaseExampleGenExecutor):
    """Writes Examples by split, and the quarantine with its counts.

    All that is found ends either in a split or in quarantine: found = accepted + quarantined.
    """

    def GetInputSourceToExamplePTransform(self) -> beam.PTransform:
        """Not used: the data is split here, not by TFX (see `GenerateExamplesByBeam`)."""
        raise NotImplementedError

    def GenerateExamplesByBeam(
        self, pipeline: beam.Pipeline, exec_properties: dict[str, Any]
    ) -> dict[str, beam.pvalue.PCollection]:
        """Split name -> serialized Examples. Writes the quarantine on the way."""
        found, convert_fn = _source(exec_properties)
        converted = (
            pipeline
            | "Found" >> beam.Create(found)
            | "Spread" >> beam.Reshuffle()
            | "Convert" >> beam.ParDo(convert_fn).with_outputs(REJECTED, main="converted")
        )
        refused = [converted[REJECTED]]
        accepted = converted["converted"]
        if exec_properties["drop_duplicates"]:
            first_fn = FirstFn("coordinates" if exec_properties["layout"] == BLOBS else "pixels")
            unique = (
                accepted
                | "ByContent" >> beam.Map(lambda item: (item.digest, item))
                | "Group" >> beam.GroupByKey()
                | "First" >> beam.ParDo(first_fn).with_outputs(REJECTED, main="unique")
            )
            refused.append(unique[REJECTED])
            accepted = unique["unique"]
        split_fn = SplitFn(exec_properties["split"], _buckets(exec_properties))
        splits = accepted | "Split" >> beam.ParDo(split_fn).with_outputs(*features.SPLITS)
        # One file, a JSON line each: what was refused is small beside what was kept.
        _ = (
            refused
            | "Refused" >> beam.Flatten()
            | "ToJson" >> beam.Map(_refusal_to_json)
            | "WriteQuarantine"
            >> beam.io.WriteToText(f"{self._quarantine_uri}/{QUARANTINED}", shard_name_template="")
        )
        for name in features.SPLITS:
            _ = (
                splits[name]
                | f"Count[{name}]" >> beam.combiners.Count.Globally()
                | f"WriteCount[{name}]"
                >> beam.io.WriteToText(
                    f"{self._quarantine_uri}/{name}.count", shard_name_template=""
                )
            )
        return {name: splits[name] for name in features.SPLITS}

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the Beam pipeline, then sums up what it counted.

        Raises:
            InputError: a split got nothing.
        """
        self._quarantine_uri = artifact_utils.get_single_uri(output_dict["quarantine"])
        super().Do(input_dict, output_dict, exec_properties)
        summary = _summarize(self._quarantine_uri)
        empty = [name for name, count in summary["splits"].items() if not count]
        if empty:
            what = "points" if exec_properties["layout"] == BLOBS else "pictures"
            raise InputError(
                f"data.path {exec_properties[specs.INPUT_BASE_KEY]}",
                expected=f"{what} for every split",
                found=f"none for {', '.join(empty)} ({json.dumps(summary)})",
                todo=f"add {what}, or check data.layout and example_gen.split",
            )


def _source(exec_properties: dict[str, Any]) -> tuple[list[Picture] | list[Point], beam.DoFn]:
    """What the data folder holds, and what makes Examples of it."""
    root, layout = Path(exec_properties[specs.INPUT_BASE_KEY]), exec_properties["layout"]
    if layout == BLOBS:
        return list_points(root), ConvertPointFn()
    convert_fn = ConvertFn(str(root), exec_properties["max_side"], exec_properties["split"])
    return list_pictures(root, layout), convert_fn


class ConvertFn(beam.DoFn):
    """Picture -> Converted, or a Refusal under REJECTED.

    Pictures outside a fixed split are refused unread: that saves their decoding, and keeps them
    from standing as the first of two equal pictures for the one that is inside.
    """

    def __init__(self, root: str, max_side: int, split: str):
        self._root = root
        self._max_side = max_side
        self._split = split

    def process(self, picture: Picture) -> Iterator[Any]:
        """Converts one picture."""
        outside = self._split != "hash" and book_small_index(picture.number) is None
        if outside and not picture.problem:
            number = f"file number {picture.number}"
            yield _refused(picture.path, f"not in split {self._split}", number)
            return
        try:
            yield convert(Path(self._root), picture, self._max_side)
        except RejectedError as error:
            yield _refused(picture.path, error.reason, error.detail)


class ConvertPointFn(beam.DoFn):
    """Point -> Converted, or a Refusal under REJECTED."""

    def process(self, point: Point) -> Iterator[Any]:
        """Converts one point."""
        try:
            yield convert_point(point)
        except RejectedError as error:
            yield _refused(point.path, error.reason, error.detail)


class FirstFn(beam.DoFn):
    """Of Examples with the same content, keeps the first by path; none if their labels differ.

    Args:
        content: what is the same, for the refusal.
    """

    def __init__(self, content: str):
        self._content = content

    def process(self, group: tuple[str, Iterable[Converted]]) -> Iterator[Any]:
        """Handles the Examples of one digest."""
        first, *others = sorted(group[1], key=lambda item: _order(item.path))
        if any(other.label != first.label for other in others):
            for item in (first, *others):
                paths = ", ".join(o.path for o in (first, *others) if o is not item)
                reason = f"same {self._content} under another label"
                yield _refused(item.path, reason, f"also {paths}")
            return
        yield first
        for other in others:
            yield _refused(other.path, "duplicate", f"same {self._content} as {first.path}")


class SplitFn(beam.DoFn):
    """Converted -> serialized Example under the name of its split."""

    def __init__(self, split: str, buckets: list[int]):
        self._split = split
        self._buckets = buckets

    def process(self, item: Converted) -> Iterator[Any]:
        """Assigns one Example."""
        index = (
            split_index(item.key, self._buckets)
            if self._split == "hash"
            else book_small_index(item.number)
        )
        if index is None:
            raise ValueError(f"{item.path} is in no split: ConvertFn lets none such through")
        yield beam.pvalue.TaggedOutput(features.SPLITS[index], item.example)


def _refused(path: str, reason: str, detail: str) -> beam.pvalue.TaggedOutput:
    # Beam's coders and the quarantine take UTF-8 only; a file's name may be any bytes.
    printable = path.encode(errors="backslashreplace").decode()
    return beam.pvalue.TaggedOutput(REJECTED, (printable, reason, detail))


def _order(path: str) -> tuple[str, int]:
    """Sorts by path, the rows of a file by number."""
    file, _, line = path.rpartition(".csv:")
    return (file, int(line)) if file else (path, 0)


def _refusal_to_json(refusal: Refusal) -> str:
    return json.dumps(dict(zip(("path", "reason", "detail"), refusal, strict=True)))


def _buckets(exec_properties: dict[str, Any]) -> list[int]:
    output = example_gen_pb2.Output()
    proto_utils.json_to_proto(exec_properties[specs.OUTPUT_CONFIG_KEY], output)
    return [split.hash_buckets for split in output.split_config.splits]


def _summarize(uri: str) -> dict[str, Any]:
    """Sorts the quarantine by path and writes the counts beside it."""
    splits = {}
    for name in features.SPLITS:
        with fileio.open(f"{uri}/{name}.count") as file:
            splits[name] = int(file.read())
        fileio.remove(f"{uri}/{name}.count")
    with fileio.open(f"{uri}/{QUARANTINED}") as file:
        lines = sorted(file.read().splitlines(), key=lambda line: _order(json.loads(line)["path"]))
    with fileio.open(f"{uri}/{QUARANTINED}", "w") as file:
        file.write("".join(f"{line}\n" for line in lines))
    reasons: dict[str, int] = {}
    for line in lines:
        reason = json.loads(line)["reason"]
        reasons[reason] = reasons.get(reason, 0) + 1
    accepted = sum(splits.values())
    summary = {
        "found": accepted + len(lines),
        "accepted": accepted,
        "quarantined": dict(sorted(reasons.items())),
        "splits": splits,
    }
    with fileio.open(f"{uri}/{INGEST_SUMMARY}", "w") as file:
        file.write(json.dumps(summary, indent=2))
    return summary
