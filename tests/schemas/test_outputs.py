"""The JSON of every command names its schema, and follows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.cli.main import main

OFFICE = Path(__file__).parents[2] / "inventories" / "office"
COMMANDS = [
    ["targets", "--output", "json"],
    ["targets", "linux", "--output", "json"],
    ["protocols", "--output", "json"],
    ["explain", "pptp", "--output", "json"],
    ["explain", "--host", "gateway", "--output", "json"],
    ["explain", "--host", "reception", "pptp", "--output", "json"],
    ["validate", "--output", "json"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_output_follows_the_schema_that_it_names(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(OFFICE)
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    name = printed["schema"].split("/")[1]
    assert list(Draft7Validator(schemas.schema(name)).iter_errors(printed)) == []


@pytest.mark.parametrize("name", schemas.names())
def test_every_schema_is_draft_07_with_a_title_a_description_and_valid_examples(name: str) -> None:
    schema = schemas.schema(name)
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["title"]
    assert schema["description"]
    assert schema["examples"]
    for example in schema["examples"]:
        assert list(Draft7Validator(schema).iter_errors(example)) == []
