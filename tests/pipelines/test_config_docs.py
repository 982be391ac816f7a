"""What is committed is what the code says."""

import json
from pathlib import Path

import pytest

from pipelines.config import CONFIG_FOLDER

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = DOCS / "config.schema.json"


@pytest.mark.parametrize(
    ("command", "file"), [("schema", SCHEMA.name), ("docs", "configuration.md")]
)
def test_the_committed_file_is_the_one_that_is_made(pawlens, command, file):
    made = pawlens("config", command).output
    assert (DOCS / file).read_text("utf-8") == made, f"pawlens config {command} > docs/{file}"


def test_every_key_is_described():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    sections = {"": schema, **schema["$defs"]}
    missing = [
        f"{name}.{key}"
        for name, section in sections.items()
        for key, field in section.get("properties", {}).items()
        if "description" not in field and "$ref" not in field
    ]
    assert missing == []
    assert all("description" in section for section in sections.values())


def test_the_shipped_files_name_the_schema():
    for path in CONFIG_FOLDER.glob("*.yaml"):
        first = path.read_text().splitlines()[0]
        place = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / place).resolve() == SCHEMA, path.name
