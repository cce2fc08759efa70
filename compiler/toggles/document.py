"""The document form: an object behind HTTP that can only be written whole.

The bundle holds ``read.json`` (the request that reads the object) and ``write.json`` (the request
that writes it). A write carries every field: fields that the policy does not decide get the
value that the router gave before. Without such an answer they hold the marker
``{"from": "read"}``, and the document says that it is not complete and what is to be filled in.
Neither document holds a password, a token or a cookie: whoever sends it adds them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from compiler.errors import NativeError
from compiler.model.finding import Code
from compiler.model.target import Bundle, File, Procedure, Step, StepName
from compiler.toggles.family import Family, Scalar, same
from compiler.toggles.jsontext import load, splice

NATIVE = "write.json"
READ = "read.json"
#: Stands for the value that the router gives when it is asked.
FROM_READ = MappingProxyType({"from": "read"})


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: ``body`` holds what surrounds the fields, ``inside`` the way to them.

    ``encoding`` is ``json`` or ``form``. ``asks`` says that a read names the fields, empty.
    """

    path: str
    encoding: str
    body: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    inside: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    asks: bool = False


@dataclass(frozen=True, slots=True)
class DocumentForm:
    """Settings in one object behind HTTP; ``container`` and ``ok`` describe the answer.

    ``numbers``: the router may give ``1`` where it takes ``"1"``.
    """

    read_request: Request
    write_request: Request
    container: tuple[str, ...]
    ok: tuple[str, Scalar]
    sender: str
    numbers: bool = False
    options: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "observed": "path of a saved answer of this router to read.json: the other "
                "fields of the object keep the values it holds",
            }
        )
    )

    def parse(self, family: Family, text: str) -> dict[str, Scalar]:
        """Read our own write document (managed fields only) or a router's answer (all switches)."""
        if _is_own(text):
            return self._own(family, text)
        found = self.answer(family, text)
        return {key: found[key] for key in family.keys}

    def answer(self, family: Family, text: str) -> dict[str, Scalar]:
        """Read every field of the object from a router's answer.

        Raises:
            NativeError: no JSON, not successful, or a field is missing or of another kind.
        """
        data: Any = load(text, "the router's answer")
        key, wanted = self.ok
        if not same_json(data.get(key), wanted):
            shown = json.dumps(data.get(key))[:80]
            raise NativeError.of(
                Code.T407,
                f"the router's answer has {key} {shown}, not {json.dumps(wanted)}",
                hint="the request failed; log in and read again",
            )
        for step in self.container:
            data = data.get(step) if isinstance(data, dict) else None
        if not isinstance(data, dict):
            raise NativeError.of(
                Code.T407, f"the router's answer holds no object '{'.'.join(self.container)}'"
            )
        return self._fields(family, data, (*family.keys, *family.carried))

    def _fields(
        self, family: Family, data: Mapping[str, Any], names: tuple[str, ...]
    ) -> dict[str, Scalar]:
        missing = [name for name in names if name not in data]
        if missing:
            raise NativeError.of(
                Code.T407,
                f"fields are missing: {', '.join(missing)}",
                hint="this is another firmware, or the answer to another request",
            )
        found: dict[str, Scalar] = {}
        for name in names:
            value = self._plain(data[name])
            listed = next((v for v in family.field_values if same_json(value, v)), None)
            if listed is None:
                known = " or ".join(json.dumps(v) for v in family.field_values)
                raise NativeError.of(
                    Code.T407, f"{name} is {json.dumps(data[name])[:80]}, not {known}"
                )
            found[name] = listed
        return found

    def _plain(self, value: Any) -> Any:
        return str(value) if self.numbers and type(value) is int else value

    def merge(self, family: Family, values: Mapping[str, Scalar], text: str, observed: str) -> str:
        """Change the managed fields in an answer; our own document is ours and is written anew."""
        if _is_own(text):
            return self.render(family, values, observed).native_text
        present = self.answer(family, text)
        differing = {key: v for key, v in values.items() if not same(v, present[key])}
        return splice(text, self.container, differing)

    def render(self, family: Family, values: Mapping[str, Scalar], observed: str) -> Bundle:
        """Print ``read.json`` and ``write.json``."""
        known = self.answer(family, observed) if observed else {}
        fields: dict[str, Any] = {
            name: values.get(name, known.get(name, dict(FROM_READ)))
            for name in (*family.carried, *family.keys)
        }
        fill = sorted(name for name, value in fields.items() if isinstance(value, dict))
        asked = dict.fromkeys(fields, "") if self.read_request.asks else {}
        read = {**_request(self.read_request, asked), "sender": self.sender}
        write = {
            **_request(self.write_request, fields),
            "sender": self.sender,
            "managed": sorted(values),
            "complete": not fill,
            "fill": fill,
        }
        files = (File(READ, _json(read)), File(NATIVE, _json(write)))
        return Bundle(files, NATIVE)

    def procedure(self, family: Family, values: Mapping[str, Scalar]) -> Procedure:
        """Give the steps over HTTP: read, write whole, read again."""
        del family, values
        return Procedure(
            "http",
            (
                Step(StepName.READ, "reads the whole object", request=READ),
                Step(
                    StepName.APPLY,
                    "writes the whole object: the managed fields, and the others as they were read",
                    request=NATIVE,
                ),
                Step(StepName.VERIFY, "reads the object again and compares", request=READ),
            ),
        )

    def _own(self, family: Family, text: str) -> dict[str, Scalar]:
        data: Any = load(text, "the write document")
        managed = data["managed"]
        fields = data.get("body")
        for step in self.write_request.inside:
            fields = fields.get(step) if isinstance(fields, dict) else None
        known = isinstance(managed, list) and all(name in family.keys for name in managed)
        if not known or not isinstance(fields, dict):
            raise NativeError.of(
                Code.T407,
                "the write document is not one of this target",
                hint="it was made for another family or flavour, or edited",
            )
        return self._fields(family, fields, tuple(managed))


def same_json(one: Any, other: Any) -> bool:
    """Compare JSON scalars without Python's ``True == 1``."""
    return type(one) is type(other) and bool(one == other)


def _request(request: Request, fields: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(json.dumps(dict(request.body), default=dict))
    inside = body
    for step in request.inside:
        inside = inside.setdefault(step, {})
    inside.update(fields)
    return {
        "method": "POST",
        "path": request.path,
        "headers": dict(request.headers),
        "encoding": request.encoding,
        "body": body,
    }


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()


def _is_own(text: str) -> bool:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "managed" in data and "body" in data
