"""SOAP texts: an action and its fields, as routers with HNAP take them."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"


def envelope(action: str, namespace: str, fields: Mapping[str, str]) -> str:
    """Print a SOAP request; the order of the fields stays."""
    inside = "".join(f"      <{name}>{escape(value)}</{name}>\n" for name, value in fields.items())
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f"<soap:Envelope xmlns:soap={quoteattr(_ENVELOPE)}>\n"
        "  <soap:Body>\n"
        f"    <{action} xmlns={quoteattr(namespace)}>\n"
        f"{inside}"
        f"    </{action}>\n"
        "  </soap:Body>\n"
        "</soap:Envelope>\n"
    )
