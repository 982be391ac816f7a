"""What ingest would accept and refuse of a data folder, without a pipeline."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam

from components.datasets.records import Found
from components.datasets.settings import printable
from components.example_gen.executor import convert, keep_first, turned_note
from components.example_gen.settings import ExampleGenConfig
from components.example_gen.splits import plan
from components.tasks import get_task


def rehearse(task: str, root: Path, found: Found) -> Found:
    """The same with the problems that ingest finds under its defaults: every file is decoded."""
    config, part = ExampleGenConfig(), get_task(task).data()
    part.settled(found)
    problems: dict[str, str] = {}

    def taken(items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            if isinstance(item, beam.pvalue.TaggedOutput):
                entry = json.loads(item.value)
                problems[entry["path"]] = entry["reason"]
            else:
                yield item

    alike = defaultdict(list)
    for record, lots in plan(found.records, config)[0]:
        if not record.problem:
            for one, _ in taken(convert((record, lots), part, root, config)):
                alike[one.digest].append((one._replace(example=b""), lots))
    turned = 0
    for group in alike.items():
        turned += sum(one.turned for one, _ in taken(keep_first(group, part.content)))
    records = [
        replace(record, problem=record.problem or problems.get(printable(record.path)))
        for record in found.records
    ]
    return replace(found, records=records, notes=[*found.notes, *turned_note(turned)])
