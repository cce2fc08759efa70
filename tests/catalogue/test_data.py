"""The built-in files: form, sources, tree, and what the facts say of ports and helpers."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from compiler.catalogue import builtin
from compiler.catalogue.judge import contradictions
from compiler.model.protocol import Family, Flow, Protocol, layer4_name
from compiler.source import schema
from compiler.source.yaml import Document, load

FOLDER = Path(str(resources.files("compiler.catalogue"))) / "protocols"
FILES = sorted(FOLDER.glob("*.yaml"))
PROTOCOLS = builtin().protocols
EACH = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
EXPECTED = {
    "ah": ["ah"],
    "ikev1": ["udp/500", "udp/4500"],
    "ikev2": ["udp/500", "udp/4500", "tcp/4500"],
    "ipsec": ["esp", "udp/4500"],
    "l2tp": ["udp/1701"],
    "l2tpv3": ["l2tp-ip"],
    "nebula": ["udp/4242"],
    "openconnect": ["tcp/443", "udp/443"],
    "openvpn": ["udp/1194", "tcp/1194"],
    "pptp": ["tcp/1723", "gre"],
    "softether": ["tcp/443", "tcp/992,5555"],
    "sstp": ["tcp/443"],
    "tailscale": ["udp/41641", "udp/3478", "tcp/443"],
    "wireguard": ["udp/51820"],
    "zerotier": ["udp/9993"],
}


def ids(protocol: Protocol) -> str:
    return protocol.id


def flows() -> list[Flow]:
    return [flow for protocol in PROTOCOLS.values() for flow in protocol.flows]


@EACH
def test_file_follows_the_schema_and_contradicts_nothing(file: Path) -> None:
    document = load(file)
    assert schema.check(document, "protocols") == []
    for id_, entry in document.data["protocols"].items():
        found = list(contradictions(document, ("protocols", id_), entry, builtin()))
        assert found == []


@EACH
def test_file_holds_the_one_protocol_that_it_is_named_after(file: Path) -> None:
    document: Document = load(file)
    assert list(document.data["protocols"]) == [file.stem]


@EACH
def test_file_names_its_schema_for_editors(file: Path) -> None:
    first = file.read_text(encoding="utf-8").splitlines()[0]
    relative = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / relative).resolve().name == "protocols.schema.json"
    assert (file.parent / relative).is_file()


def test_the_issue_names_these_protocols_and_flows() -> None:
    assert {p.id: [f.ports_text for f in p.flows] for p in PROTOCOLS.values()} == EXPECTED


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=ids)
def test_every_fact_has_a_source(protocol: Protocol) -> None:
    assert all(flow.source and flow.purpose for flow in protocol.flows)
    assert protocol.helper is None or protocol.helper.source
    assert protocol.references
    assert all(reference.url.startswith("https://") for reference in protocol.references)
    assert all(reference.title for reference in protocol.references)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=ids)
@pytest.mark.parametrize("part", ["sends", "nat", "passthrough", "safety", "instead"])
def test_background_is_one_short_paragraph(protocol: Protocol, part: str) -> None:
    text = getattr(protocol.background, part)
    sentences = re.findall(r"[.](?:\s|$)", text)
    assert 1 <= len(sentences) <= 5
    assert "\n" not in text
    assert not re.search(r"[*`_#]|\s\s", text), "plain text, no Markdown"


def test_shared_are_the_flows_that_carry_the_rest_of_the_internet() -> None:
    shared = {flow.ports_text for flow in flows() if flow.shared}
    assert shared == {"tcp/443", "udp/443", "udp/3478"}
    assert not {flow.ports_text for flow in flows() if not flow.shared} & shared


def test_unrelated_protocols_share_no_exclusive_flow() -> None:
    """A policy that decides them differently would be refused (P114) for no real reason."""
    catalogue = builtin()
    for one in flows():
        for other in flows():
            roots = {catalogue.lineage(flow.protocol)[-1].id for flow in (one, other)}
            if len(roots) == 2 and not (one.shared and other.shared):
                assert not one.overlaps(other), f"{one.id} and {other.id}"


def test_pptp_needs_its_helper_and_ipv4() -> None:
    pptp = PROTOCOLS["pptp"]
    assert pptp.helper is not None
    assert (layer4_name(pptp.helper.layer4), pptp.helper.port) == ("tcp", 1723)
    assert pptp.helper.modules == ("nf_conntrack_pptp", "nf_nat_pptp")
    assert pptp.helper.families == {Family.IPV4}
    assert all(flow.families == {Family.IPV4} for flow in pptp.flows)
    assert [flow.id for flow in pptp.flows if flow.carried] == ["pptp.data"]
    assert (pptp.nat4, pptp.passthrough, pptp.security) == ("helper", "needed", "broken")
    assert [p.id for p in PROTOCOLS.values() if p.helper] == ["pptp"]


def test_esp_serves_both_versions_of_ike() -> None:
    served = {flow.id: flow.serves for flow in flows() if flow.serves}
    assert served == {"ipsec.esp": ("ikev1", "ikev2"), "ipsec.esp-udp": ("ikev1", "ikev2")}


def test_movable_are_those_whose_ends_choose_the_port() -> None:
    movable = {p.id for p in PROTOCOLS.values() if p.movable}
    assert {"openvpn", "wireguard", "tailscale", "nebula", "zerotier", "softether"} <= movable
    assert not movable & {"pptp", "l2tp", "ipsec", "ikev1", "ikev2", "ah"}
