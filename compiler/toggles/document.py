"""The document form: an object behind HTTP that can only be written whole.

The bundle holds ``read.json`` (the request that reads the object) and ``write.json`` (the request
that writes it); the router's answer is JSON or XML. A write carries every field: fields that the
policy does not decide get the value that the router gave before. Without such an answer they hold
the marker ``{"from": "read"}``, and the document says that it is not complete and what is to be
filled in.
Neither document holds a password, a token or a cookie: whoever sends it adds them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from compiler.errors import NativeError
from compiler.model.finding import Code
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, File, Procedure
from compiler.toggles import jsontext, xmltext
from compiler.toggles.family import Family, Scalar, same
from compiler.toggles.jsontext import load
from compiler.toggles.soap import envelope

NATIVE = "write.json"
READ = "read.json"
#: Stands for the value that the router gives when it is asked.
FROM_READ = MappingProxyType({"from": "read"})


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request: ``body`` holds what surrounds the fields, ``inside`` the way to them.

    For SOAP the last step of ``inside`` is the action, in ``namespace``.

    ``encoding`` is ``json``, ``form``, ``soap`` or, without a body, ``none``. ``asks`` says that
    a read names the fields, empty.
    """

    path: str
    encoding: str
    body: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    inside: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    asks: bool = False
    method: str = "POST"
    namespace: str = ""


class Answer(Protocol):
    """How a router's answer holds the object."""

    def fields(self, text: str) -> Mapping[str, Any]:
        """Give every field of the object.

        Raises:
            NativeError: the text is empty, cut off, or says that the request failed.
        """
        ...

    def splice(self, text: str, values: Mapping[str, Scalar]) -> str:
        """Change fields in the text, and no other byte of it."""
        ...


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """An object in JSON: the way to it, and the member that says whether the request worked."""

    container: tuple[str, ...]
    ok: tuple[str, Scalar | int]

    def fields(self, text: str) -> Mapping[str, Any]:
        """Give the members of the object."""
        data: Any = load(text, "the router's answer")
        key, wanted = self.ok
        _must_be_ok(key, data.get(key), wanted)
        for step in self.container:
            data = data.get(step) if isinstance(data, dict) else None
        if not isinstance(data, dict):
            raise NativeError.of(
                Code.T407, f"the router's answer holds no object '{'.'.join(self.container)}'"
            )
        return data

    def splice(self, text: str, values: Mapping[str, Scalar]) -> str:
        """Change members of the object."""
        return jsontext.splice(text, self.container, values)


@dataclass(frozen=True, slots=True)
class XmlAnswer:
    """An object in XML: the element whose leaves are the fields, and the leaf that says OK."""

    element: str
    ok: tuple[str, str]

    def fields(self, text: str) -> Mapping[str, Any]:
        """Give the leaves of the element."""
        found = xmltext.leaves(text, self.element, "the router's answer")
        key, wanted = self.ok
        _must_be_ok(key, found[key].text if key in found else None, wanted)
        return {name: leaf.text for name, leaf in found.items() if name != key}

    def splice(self, text: str, values: Mapping[str, Scalar]) -> str:
        """Change leaves of the element."""
        plain = {name: str(value) for name, value in values.items()}
        return xmltext.splice(text, self.element, plain, "the router's answer")


def _must_be_ok(key: str, found: Any, wanted: Any) -> None:
    if not same_json(found, wanted):
        shown = json.dumps(found)[:80]
        raise NativeError.of(
            Code.T407,
            f"the router's answer has {key} {shown}, not {json.dumps(wanted)}",
            hint="the request failed; log in and read again",
        )


@dataclass(frozen=True, slots=True)
class DocumentForm:
    """Settings in one object behind HTTP.

    ``numbers``: the router may give ``1`` where it takes ``"1"``. ``whole``: the object has
    fields of any kind, more than anybody has listed. Fields that nobody has listed are written as
    they were read, because firmware may reset what a write leaves out; those that ``read_only``
    matches belong to the router and are not written. ``login`` is how a push logs in; see
    :class:`compiler.model.target.Procedure`.
    """

    read_request: Request
    write_request: Request
    answered: Answer
    sender: str
    numbers: bool = False
    whole: bool = False
    read_only: str = ""
    login: str = ""
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

    def answer(self, family: Family, text: str) -> dict[str, Any]:
        """Read every field of the object from a router's answer.

        Raises:
            NativeError: not readable, not successful, or a field is missing or of another kind.
        """
        data = self.answered.fields(text)
        listed = family.keys if self.whole else (*family.keys, *family.carried)
        found: dict[str, Any] = dict(self._fields(family, data, listed))
        routers = re.compile(self.read_only or "(?!)")
        more = {k: v for k, v in data.items() if k not in found and not routers.match(k)}
        return found | {k: v for k, v in more.items() if self._holds(v)}

    def _holds(self, value: Any) -> bool:
        """Tell whether a write can hold the value: in a form, only text."""
        return isinstance(value, str) or self.write_request.encoding == "json"

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
        return self.answered.splice(text, differing)

    def render(self, family: Family, values: Mapping[str, Scalar], observed: str) -> Bundle:
        """Print ``read.json`` and ``write.json``."""
        known = self.answer(family, observed) if observed else {}
        fields: dict[str, Any] = {
            name: values.get(name, known.get(name, dict(FROM_READ)))
            for name in dict.fromkeys((*family.carried, *known, *family.keys))
            if not (self.whole and known and name not in known)
        }
        fill = sorted(name for name, value in fields.items() if value == FROM_READ)
        more = self._more(known=bool(known))
        names = (*family.carried, *family.keys)
        asked = dict.fromkeys(names, "") if self.read_request.asks else {}
        read = {**_request(self.read_request, asked), "sender": self.sender}
        write = {
            **_request(self.write_request, fields),
            "sender": self.sender,
            "managed": sorted(values),
            "complete": not fill and not more,
            "fill": fill,
        } | ({"fill_also": more} if more else {})
        files = [File(READ, _json(read)), File(NATIVE, _json(write))]
        if self.write_request.encoding == "soap":
            files.append(File("read.xml", _soap(self.read_request, asked)))
            if write["complete"]:
                files.append(File("write.xml", _soap(self.write_request, fields)))
        return Bundle(tuple(sorted(files, key=lambda file: file.path)), NATIVE)

    def _more(self, *, known: bool) -> str:
        if known or not self.whole:
            return ""
        return f"every other field that the answer holds, except those that match {self.read_only}"

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
                Step(
                    StepName.ROLLBACK,
                    "writes the whole object as it was read at first, and reads it again",
                    request=NATIVE,
                ),
            ),
            login=self.login,
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
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        "encoding": request.encoding,
        "body": body,
    }


def _soap(request: Request, fields: Mapping[str, str]) -> bytes:
    return envelope(request.inside[-1], request.namespace, fields).encode()


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=2) + "\n").encode()


def _is_own(text: str) -> bool:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and "managed" in data and "body" in data
