"""What a configuration may hold, for editors (JSON Schema) and for readers (Markdown)."""

import json
from collections.abc import Iterator
from typing import Any

from pipelines.sections import PipelineConfig

Schema = dict[str, Any]

_HEAD = """# Configuration

A pipeline is one YAML file. `pawlens run NAME` takes a shipped one, `pawlens run FILE` any other;
`--set key=value` overrides a key. `pawlens init DIR` looks at a data folder and writes a file for
it. `pawlens config schema` prints the JSON Schema that editors complete and check with; the shipped
files name it in their first line. Keys below `*` are repeated: by name, or for each element.

This page is made from the descriptions in the code (`pawlens config docs`).
"""


def schema_text() -> str:
    """The JSON Schema (draft 2020-12) of a pipeline's file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | PipelineConfig.model_json_schema(), indent=1) + "\n"


def markdown() -> str:
    """The page for readers: a table for each section."""
    schema = PipelineConfig.model_json_schema()
    lines = [_HEAD]
    tables: list[tuple[str, Schema]] = [("", schema)]
    while tables:
        prefix, section = tables.pop(0)
        if prefix:
            text = section.get("description", "")
            lines.append(f"## {prefix}\n\n{_one_line(text)}\n")
        lines.append("| key | type | default | description |\n| --- | --- | --- | --- |")
        below = []
        for key, field in section["properties"].items():
            inner = list(_below(field, schema))
            text = field.get("description") or (inner[0][1].get("description", "") if inner else "")
            required = key in section.get("required", ())
            default = "required" if required else _default(field.get("default"))
            lines.append(f"| `{key}` | {_type(field)} | {default} | {_one_line(text)} |")
            below += [(f"{prefix}.{key}{more}".lstrip("."), one) for more, one in inner]
        lines.append("")
        tables = below + tables
    return "\n".join(lines)


def _default(value: Any) -> str:
    text = json.dumps(value)
    return "see below" if "{" in text and value else f"`{text}`"


def _one_line(text: str) -> str:
    """The first paragraph."""
    return " ".join(text.partition("\n\n")[0].split()).replace("|", "\\|")


def _type(field: Schema) -> str:
    """In a few words: `integer >= 1`, `list of string`, `section`."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(map(_type, field["anyOf"])))
    if "$ref" in field:
        return "section"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{json.dumps(one)}`" for one in field.get("enum", [field.get("const")]))
    kind = str(field.get("type", "any value"))
    if kind == "array":
        return f"list of {_type(field.get('items', {}))}"
    if kind == "object":
        values = _values(field)
        return f"mapping to {_type(values)}" if values else "mapping"
    bounds = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]:g}" for key, sign in bounds.items() if key in field]
    return " ".join([kind, *limits])


def _below(field: Schema, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The sections that a field's value is made of, each with what its key gets appended."""
    if "$ref" in field:
        yield "", schema["$defs"][field["$ref"].rpartition("/")[2]]
    for one in field.get("anyOf", ()):
        yield from _below(one, schema)
    for inner in filter(None, (field.get("items"), _values(field))):
        yield from ((f".*{more}", one) for more, one in _below(inner, schema))


def _values(field: Schema) -> Schema:
    """Of a mapping with free keys, what its values are."""
    found = field.get("additionalProperties")
    patterns = list(field.get("patternProperties", {}).values())
    return found if isinstance(found, dict) else (patterns or [{}])[0]
