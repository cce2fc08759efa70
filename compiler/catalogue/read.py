"""One entry of a protocols file into the model.

Everything here takes entries that follow the schema; what the schema cannot say is judged by
:mod:`compiler.catalogue.extend` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from compiler.model.protocol import (
    BOTH_FAMILIES,
    LAYER4,
    Background,
    ByteMatch,
    Family,
    Flow,
    Helper,
    PortRange,
    Protocol,
    Reference,
    Signature,
)

_DECISIONS = ("pass", "block")
_BACKGROUND = ("sends", "nat", "passthrough", "safety", "instead")


def protocol_from(id_: str, entry: Mapping[str, Any], *, builtin: bool) -> Protocol:
    """Build a protocol; what the entry leaves out gets the schema's defaults."""
    helper = _helper(entry["helper"]) if "helper" in entry else None
    background = entry.get("background", {})
    return Protocol(
        id=id_,
        name=entry.get("name", entry["title"]),
        title=entry["title"],
        flows=tuple(_flow(id_, name, flow, helper) for name, flow in entry["flows"].items()),
        background=Background(*(background.get(part, "").strip() for part in _BACKGROUND)),
        part_of=entry.get("part_of", ""),
        follows_when=frozenset(entry.get("follows_when", _DECISIONS)),
        helper=helper,
        signatures=tuple(
            (LAYER4[each["layer4"]], _signature(each)) for each in entry.get("signatures", ())
        ),
        movable=entry.get("movable", False),
        nat4=entry.get("nat4", "helper" if helper else "fine"),
        passthrough=entry.get("passthrough", "needed" if helper else "filters-only"),
        security=entry.get("security", "depends"),
        references=tuple(Reference(**each) for each in entry.get("references", ())),
        builtin=builtin,
        aliases=tuple(entry.get("aliases", ())),
    )


def layer4_number(value: str | int) -> int:
    """Give the IP protocol number of a name or number."""
    return value if isinstance(value, int) else LAYER4[value]


def port_range(value: str | int) -> PortRange:
    """Read a port or a range; the limits are not judged here."""
    if isinstance(value, int):
        return PortRange(value, value)
    first, _, last = value.partition("-")
    return PortRange(int(first), int(last or first))


def _flow(protocol: str, name: str, entry: Mapping[str, Any], helper: Helper | None) -> Flow:
    return Flow(
        id=f"{protocol}.{name}",
        protocol=protocol,
        layer4=layer4_number(entry["layer4"]),
        ports=tuple(sorted(port_range(port) for port in entry.get("ports", ()))),
        families=_families(entry.get("families", BOTH_FAMILIES)),
        shared=entry.get("shared", False),
        carried=entry.get("carried", False),
        introduces=entry.get("introduces", False),
        signature=_signature(entry["signature"]) if "signature" in entry else None,
        helper=helper,
        serves=tuple(entry.get("serves", ())),
        purpose=entry.get("purpose", ""),
        source=entry.get("source", ""),
    )


def _helper(entry: Mapping[str, Any]) -> Helper:
    return Helper(
        name=entry["name"],
        layer4=LAYER4[entry["layer4"]],
        port=entry["port"],
        modules=tuple(entry["modules"]),
        families=_families(entry["families"]),
        source=entry.get("source", ""),
    )


def _families(values: Iterable[str]) -> frozenset[Family]:
    return frozenset(Family(value) for value in values)


def _signature(entry: Mapping[str, Any]) -> Signature:
    return Signature(
        matches=tuple(_byte_match(each) for each in entry["bytes"]),
        payload_length=entry.get("payload_length"),
    )


def _byte_match(entry: Mapping[str, Any]) -> ByteMatch:
    value = bytes.fromhex(entry["value"])
    mask = bytes.fromhex(entry["mask"]) if "mask" in entry else b"\xff" * len(value)
    return ByteMatch(entry["at"], value, mask)
