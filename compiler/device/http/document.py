"""The request documents of a bundle, as what is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from compiler.errors import ApplyError
from compiler.model.finding import Code
from compiler.model.target import Bundle

_KINDS = {
    "json": "application/json; charset=UTF-8",
    "form": "application/x-www-form-urlencoded",
    "soap": "text/xml; charset=utf-8",
    "none": "",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One request without what a log-in adds. ``fields`` are what it says, for comparisons."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    fields: Mapping[str, Any]


def document(bundle: Bundle, path: str) -> Document:
    """Give a document of a bundle.

    A SOAP text stands beside it, under the same name with ``.xml``.

    Raises:
        ApplyError: S813, the document does not hold every field that is to be sent.
    """
    data = json.loads(_content(bundle, path))
    if data.get("complete") is False:
        left = ", ".join(data.get("fill", ())) or data.get("fill_also", "")
        raise ApplyError.of(Code.S813, f"the router's answer does not give: {left[:200]}")
    encoding, fields = data["encoding"], data["body"]
    kind = _KINDS[encoding]
    headers = {**({"Content-Type": kind} if kind else {}), **data["headers"]}
    if encoding == "soap":
        body = _content(bundle, f"{path.removesuffix('.json')}.xml")
    elif encoding == "form":
        body = urlencode(fields).encode()
    else:
        body = b"" if encoding == "none" else json.dumps(fields).encode()
    return Document(data["method"], data["path"], headers, body, fields)


def _content(bundle: Bundle, path: str) -> bytes:
    return next(file.content for file in bundle.files if file.path == path)
