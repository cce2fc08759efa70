"""What is wrong with one entry of a protocols file although it follows the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compiler.catalogue.catalogue import Catalogue
from compiler.catalogue.read import layer4_number, port_range
from compiler.model.finding import Code, Finding
from compiler.model.protocol import PORTED, TCP, UDP, PortRange, layer4_name
from compiler.source.yaml import Document

_Path = tuple[str | int, ...]


def contradictions(
    document: Document, path: _Path, entry: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[Finding]:
    """Give every contradiction of the entry at ``path`` (P112 for ports, P117 otherwise)."""
    for name, flow in entry["flows"].items():
        flow_path = (*path, "flows", name)
        yield from _ports(document, flow_path, flow)
        yield from _sharing(document, flow_path, flow, catalogue)
        yield from _flow_signature(document, flow_path, flow)
    for index, signature in enumerate(entry.get("signatures", ())):
        yield from _masks(document, (*path, "signatures", index), signature)
    yield from _helper(document, path, entry)


def _ports(document: Document, path: _Path, flow: Mapping[str, Any]) -> Iterator[Finding]:
    ports = flow.get("ports", ())
    if ports and layer4_number(flow["layer4"]) not in PORTED:
        name = layer4_name(layer4_number(flow["layer4"]))
        yield Finding(
            Code.P112,
            f"{name} has no ports",
            place=document.key_place((*path, "ports")),
            hint="leave 'ports' out",
        )
        return
    for index, port in enumerate(ports):
        problem = _port_problem(port_range(port))
        if problem:
            place = document.place((*path, "ports", index))
            yield Finding(Code.P112, f"'{port}': {problem}", place=place)


def _port_problem(ports: PortRange) -> str:
    if not (1 <= ports.first <= 65535 and 1 <= ports.last <= 65535):
        return "a port is a number from 1 to 65535"
    if ports.first > ports.last:
        return f"the range is backwards, write '{ports.last}-{ports.first}'"
    return ""


def _sharing(
    document: Document, path: _Path, flow: Mapping[str, Any], catalogue: Catalogue
) -> Iterator[Finding]:
    if flow.get("shared") or "signature" in flow:
        return
    layer4 = layer4_number(flow["layer4"])
    shared = catalogue.shared_ports(layer4)
    for index, port in enumerate(flow.get("ports", ())):
        ports = port_range(port)
        common = [each for each in shared if each.overlaps(ports)]
        if common and not _port_problem(ports):
            shown = ", ".join(f"{layer4_name(layer4)}/{each}" for each in common)
            yield Finding(
                Code.P117,
                f"{shown} carries other traffic too, so this flow cannot have it alone",
                place=document.place((*path, "ports", index)),
                hint="say `shared: true`; a block then needs `collateral: accept`",
            )


def _flow_signature(document: Document, path: _Path, flow: Mapping[str, Any]) -> Iterator[Finding]:
    if "signature" not in flow:
        return
    yield from _masks(document, (*path, "signature"), flow["signature"])
    if layer4_number(flow["layer4"]) not in (TCP, UDP):
        yield Finding(
            Code.P117,
            "a signature counts from the end of a UDP or TCP header, which this flow lacks",
            place=document.key_place((*path, "signature")),
        )


def _masks(document: Document, path: _Path, signature: Mapping[str, Any]) -> Iterator[Finding]:
    for index, match in enumerate(signature["bytes"]):
        if len(match.get("mask", match["value"])) != len(match["value"]):
            yield Finding(
                Code.P117,
                "'mask' and 'value' have different lengths",
                place=document.place((*path, "bytes", index, "mask")),
            )


def _helper(document: Document, path: _Path, entry: Mapping[str, Any]) -> Iterator[Finding]:
    flows = entry["flows"]
    if "helper" not in entry:
        for name, flow in flows.items():
            if flow.get("carried"):
                yield Finding(
                    Code.P117,
                    f"the flow '{name}' is carried by a helper, and the protocol has none",
                    place=document.key_place((*path, "flows", name, "carried")),
                )
        if entry.get("nat4") == "helper":
            yield Finding(
                Code.P117,
                "'nat4: helper' without a helper",
                place=document.place((*path, "nat4")),
            )
        return
    helper = entry["helper"]
    if not any(_reads(helper, flow) for flow in flows.values()):
        yield Finding(
            Code.P117,
            f"the helper reads {helper['layer4']}/{helper['port']}, which is none of the flows",
            place=document.key_place((*path, "helper")),
            hint="the flow that the helper reads needs this port and no `carried`",
        )


def _reads(helper: Mapping[str, Any], flow: Mapping[str, Any]) -> bool:
    same = layer4_number(flow["layer4"]) == layer4_number(helper["layer4"])
    return (
        same
        and not flow.get("carried")
        and any(helper["port"] in port_range(port) for port in flow.get("ports", ()))
    )
