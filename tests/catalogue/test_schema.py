"""The schema of protocols files: described everywhere, with examples that hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.model.protocol import LAYER4, PORTED
from compiler.source.schema import errors

SCHEMA = schemas.schema("protocols")


def described(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every subschema that a user's value meets by name."""
    yield path or "the file", schema
    for name, sub in schema.get("properties", {}).items():
        if "$ref" not in sub:
            yield from described(sub, f"{path}.{name}")


ALL = list(described(SCHEMA)) + [
    found for name, sub in SCHEMA["definitions"].items() for found in described(sub, name)
]


def test_schema_is_draft_07() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["$id"] == "passthru/protocols/v1"


@pytest.mark.parametrize(("path", "schema"), ALL, ids=[path for path, _ in ALL])
def test_everything_has_title_description_and_valid_examples(
    path: str, schema: dict[str, Any]
) -> None:
    assert schema["title"]
    assert schema["description"].endswith((".", ")", "..."))
    assert schema["examples"]
    whole = {**schema, "definitions": SCHEMA["definitions"]}
    for example in schema["examples"]:
        assert list(Draft7Validator(whole).iter_errors(example)) == []


def test_layer4_names_are_those_of_the_model() -> None:
    names, _ = SCHEMA["definitions"]["layer4"]["oneOf"]
    assert set(names["enum"]) == set(LAYER4)
    ported = SCHEMA["definitions"]["flow"]["if"]["properties"]["layer4"]["enum"]
    assert {LAYER4.get(value, value) for value in ported} == PORTED
    assert len(ported) == 2 * len(PORTED)


def test_references_may_not_hide_other_keys() -> None:
    """Draft-07 ignores what stands beside ``$ref``."""

    def walk(node: Any) -> Iterator[dict[str, Any]]:
        if isinstance(node, dict):
            yield node
        for sub in node.values() if isinstance(node, dict) else node:
            if isinstance(sub, dict | list):
                yield from walk(sub)

    assert all(len(node) == 1 for node in walk(SCHEMA) if "$ref" in node)


def test_schema_does_not_need_the_network() -> None:
    assert (
        errors({"protocols": {"a": {"title": "A", "flows": {"b": {"layer4": 99}}}}}, "protocols")
        == []
    )
