"""Check a loaded document against a JSON Schema and say every problem at its place.

jsonschema's own messages speak of schemas; these speak of the user's file. For a value that may
take several forms (``pptp: block`` or ``pptp: {action: block}``) the problems of the form that the
user evidently meant are shown, not "is not valid under any of the given schemas".
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import schemas
from compiler.model.finding import Code, Finding, Place
from compiler.source.yaml import Document

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

#: The pattern by which schemas allow a template in place of a value.
TEMPLATE_PATTERN = "\\{[{%]"

_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_TYPE_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


#: Gives the place of a value or a key by its path.
PlaceOf = Callable[[tuple[Any, ...]], Place]


def check(document: Document, name: str) -> list[Finding]:
    """Check a document against the schema ``name``."""
    return check_data(document.data, name, document.place, document.key_place)


def check_data(data: Any, name: str, place: PlaceOf, key_place: PlaceOf) -> list[Finding]:
    """Check data (a rendered entry, merged variables) whose places somebody else knows."""
    return [_finding(error, place, key_place) for error in errors(data, name)]


def errors(data: Any, name: str) -> list[ValidationError]:
    """Give jsonschema's errors, alternatives resolved, in the order of the document."""
    from jsonschema import Draft7Validator  # noqa: PLC0415 - costs 0.1 s; not every command needs it

    validator = Draft7Validator(schemas.schema(name))
    found = [deep for error in validator.iter_errors(data) for deep in _meant(error)]
    return sorted(found, key=lambda error: ([str(p) for p in error.absolute_path], error.message))


def _meant(error: ValidationError) -> Iterator[ValidationError]:
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    forms: dict[Any, list[ValidationError]] = {}
    for sub in error.context:
        forms.setdefault(sub.schema_path[0], []).append(sub)
    fitting = [subs for subs in forms.values() if not _wrong_kind(subs)]
    if len(fitting) != 1:
        yield error
        return
    for sub in fitting[0]:
        yield from _meant(sub)


def _wrong_kind(errors_of_form: Iterable[ValidationError]) -> bool:
    """Tell whether a form is out of the question: another type, or a template where none stands."""
    return any(
        not sub.relative_path
        and (
            sub.validator in ("type", "const")
            or (sub.validator == "pattern" and sub.validator_value == TEMPLATE_PATTERN)
        )
        for sub in errors_of_form
    )


def _finding(error: ValidationError, place_of: PlaceOf, key_place_of: PlaceOf) -> Finding:
    path = tuple(error.absolute_path)
    place = place_of(path)
    value: Any = error.instance
    limit: Any = error.validator_value
    hint = ""
    code = Code.P102
    match error.validator:
        case "additionalProperties":
            return _unknown_key(error, path, key_place_of)
        case "required":
            missing = [key for key in limit if key not in value]
            message = f"{_key(path)} lacks {_words(missing)}"
        case "type":
            message = f"{_key(path)} must be {_types(limit)}, not {_shown(value)}"
        case "enum":
            message = f"{_key(path)} must be {_words(limit, 'or')}, not {_shown(value)}"
            close = difflib.get_close_matches(str(value), [str(word) for word in limit], 1)
            hint = f"did you mean '{close[0]}'?" if close else ""
        case "minItems" | "minProperties" | "minLength":
            code, message, hint = _empty(path)
        case "pattern":
            message = f"{_key(path)}: {_shown(value)} does not have the right form"
            hint = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
        case "oneOf" | "anyOf" if value is None:
            code, message, hint = _empty(path)
        case "oneOf" | "anyOf":
            message = f"{_key(path)}: {_shown(value)} has none of the allowed forms"
            hint = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
        case _:
            message = f"{_key(path)}: {error.message}"
    return Finding(code, message, place=place, hint=hint)


def _empty(path: tuple[Any, ...]) -> tuple[Code, str, str]:
    limit = {"to", "from", "families", "ports"}.intersection(path[-2:])
    hint = "an empty list would mean nothing; leave the key out to mean everything"
    code = Code.P109 if limit & {"to", "from"} else Code.P102
    return code, f"{_key(path)} is empty", hint if limit else ""


def _unknown_key(error: ValidationError, path: tuple[Any, ...], key_place_of: PlaceOf) -> Finding:
    schema = error.schema if isinstance(error.schema, dict) else {}
    known = sorted(schema.get("properties", {}))
    instance: Any = error.instance
    unknown = [key for key in instance if key not in known]
    first = unknown[0] if unknown else "?"
    close = difflib.get_close_matches(str(first), known, 1)
    hint = f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(known)}"
    names = _words(unknown)
    return Finding(Code.P105, f"unknown key {names}", place=key_place_of((*path, first)), hint=hint)


def _key(path: tuple[Any, ...]) -> str:
    names = [str(step) for step in path if not isinstance(step, int)]
    if not names:
        return "the entry" if path else "the file"
    item = f" (item {path[-1] + 1})" if isinstance(path[-1], int) else ""
    return f"'{names[-1]}'{item}"


def _words(values: Iterable[Any], last: str = "and") -> str:
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def _types(limit: str | list[str]) -> str:
    kinds = [limit] if isinstance(limit, str) else limit
    return " or ".join(_TYPE_WORDS[kind] for kind in kinds)


def _shown(value: Any) -> str:
    for kind, types in _JSON_TYPES.items():
        if kind in ("object", "array") and isinstance(value, types):
            return _TYPE_WORDS[kind]
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
