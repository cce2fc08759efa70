"""Signatures under fw3: what the match u32 says of a payload, and of real packets of all kinds."""

from __future__ import annotations

import random
import re
import shutil
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from compiler.evaluate import Packet, Verdict, load_iptables, load_nft
from compiler.model.protocol import UDP, Family, Signature
from compiler.prove.lab import packets as wire
from compiler.prove.lab.namespaces import missing
from compiler.prove.lab.network import Lab
from targets.openwrt import TARGET
from targets.openwrt.fw3 import signatures as fw3
from targets.openwrt.fw3.load import load
from targets.openwrt.fw4 import signatures
from targets.openwrt.fw4.signatures import BITS, Sight
from targets.openwrt.model import base
from targets.openwrt.networks import Networks
from targets.openwrt.uci import Section
from tests.targets.openwrt.support import device
from tests.targets.openwrt.test_signatures import (
    FW3,
    NATT1,
    NEBULA,
    SIGNATURES,
    WIREGUARD,
    payload_of,
    resolved,
)

ENDS = {
    Family.IPV4: ("192.168.1.11", "203.0.113.9"),
    Family.IPV6: ("2001:db8:1::11", "2001:db8:aa::9"),
}


def commands(found: list[Section], family: Family) -> Iterator[str]:
    """Write what fw3 makes of the rules that set bits; a test holds it to fw3 itself."""
    for section in found:
        if section.text("target") == "MARK" and section.text("family") in ("any", family):
            ports = section.get("dest_port")
            for port in (ports,) if isinstance(ports, str) else ports or ("",):
                asked = f" -m udp --dport {port.replace('-', ':')}" if port else ""
                mark = f"-j MARK --set-xmark {section.text('set_xmark')}"
                yield f"-A FORWARD -p udp{asked} {section.text('extra')} {mark}"


def table(lines: Iterable[str], *more: str) -> str:
    return "\n".join(["*mangle", ":FORWARD ACCEPT [0:0]", *lines, *more, "COMMIT", ""])


@settings(max_examples=60, deadline=None)
@given(SIGNATURES, st.integers(0, 99))
@example(NEBULA, 1)
@example(WIREGUARD, 2)
@example(Signature((*NEBULA.matches, *NATT1.matches, *NEBULA.matches), 61), 3)
def test_u32_and_our_reading_of_it_find_what_has_a_signature(seen: Signature, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - packets for a test
    mark = signatures.mark(0, ("x",), [Sight((), seen)])
    rules = list(fw3.sections((mark,), ()))
    asking = f"-m mark --mark {BITS[0]:#x}/{BITS[0]:#x} -j DROP"
    texts = [table(commands(rules, family), f"-A FORWARD {asking}") for family in Family]
    router = device("21.02")
    ask = Section(
        "rule",
        "ask",
        (
            ("src", "lan"),
            ("dest", "wan"),
            ("proto", "udp"),
            ("mark", f"{BITS[0]:#x}/{BITS[0]:#x}"),
            ("target", "DROP"),
        ),
    )
    made = load((*base(router), *rules, ask), Networks(complete=True), modules=True).ruleset
    assert made is not None
    readings = (load_iptables(*texts), load_nft(made.listing()))
    payloads = [payload_of(seen, rng), rng.randbytes(rng.randrange(70)), b""]
    payloads += [payload[:-1] for payload in payloads[:1] if payload]
    for payload in payloads:
        for source, destination in ENDS.values() if payload is not None else ():
            packet = Packet(
                ip_address(source), ip_address(destination), UDP, "br-lan", "eth1", 4000, 9, payload
            )
            for ruleset in readings:
                wanted = Verdict.DROP if seen.holds(payload or b"") else Verdict.PASS
                found = ruleset.forward(packet)
                assert found.verdict is wanted, f"{payload!r} {rules}\n{found.because}"


@dataclass(frozen=True, slots=True)
class Raw(wire.Packet):
    """A packet of other bytes than the lab would write."""

    data: bytes = b""

    def write(self) -> bytes:
        return self.data


def udp(source: str, destination: str, version: int, port: int = 500) -> wire.Packet:
    payload = bytes(17) + bytes([version << 4]) + bytes(10)
    ends = (ip_address(source), ip_address(destination))
    return wire.Packet(UDP, *ends, 0, 4000, port, payload)


def raw(data: bytes, packet: wire.Packet) -> Raw:
    return Raw(packet.layer4, packet.source, packet.destination, 0, data=data)


def with_options(packet: wire.Packet) -> list[Raw]:
    """Write an IPv4 packet whose header has eight more bytes, which do nothing."""
    data = packet.write()
    head = bytes([0x47]) + data[1:2] + struct.pack("!H", len(data) + 8) + data[4:10]
    head += b"\0\0" + data[12:20] + b"\1" * 8
    total = sum(struct.unpack("!14H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return [raw(head + data[20:], packet)]


def in_fragments(packet: wire.Packet) -> list[Raw]:
    """Write an IPv4 packet in two pieces: the version is in the second."""
    data, found = packet.write(), []
    for offset, part in ((0, data[20:36]), (2, data[36:])):
        field = offset | (0x2000 if offset == 0 else 0)
        head = struct.pack("!BBHHH", 0x45, 0, 20 + len(part), 7, field) + data[8:10]
        head += b"\0\0" + data[12:20]
        total = sum(struct.unpack("!10H", head))
        total = (total & 0xFFFF) + (total >> 16)
        found.append(raw(head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:] + part, packet))
    return found


def behind_a_header(packet: wire.Packet) -> list[Raw]:
    """Write an IPv6 packet with a header of destination options that does nothing."""
    data = packet.write()
    more = bytes([UDP, 0, 1, 4, 0, 0, 0, 0])
    size = struct.pack("!H", len(data) - 40 + 8)
    return [raw(data[:4] + size + bytes([60]) + data[7:40] + more + data[40:], packet)]


def plain(packet: wire.Packet) -> list[Raw]:
    return [raw(packet.write(), packet)]


@pytest.mark.kernel
@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_real_packets_of_all_kinds_get_the_bits_that_they_should() -> None:
    """IPv6 packets that u32 cannot look into count as the version that is blocked."""
    if shutil.which("iptables-legacy-restore") is None:
        pytest.skip("iptables-legacy-restore is not installed")
    found = resolved({"ikev1": "block", "ikev2": "pass"}, FW3)
    rules = list(TARGET.settings(found.intent, found.device).sections)
    asked = [f"-A FORWARD -p udp -m mark --mark {bit:#x}/0xff000000" for bit in (0, *BITS[:2])]
    others = "-A FORWARD -j MARK --set-xmark 0x3000000/0x3000000"  # of no avail
    four, six = ENDS[Family.IPV4], ENDS[Family.IPV6]
    cases = [
        (plain(udp(*four, 1)), 1), (plain(udp(*four, 2)), 2), (plain(udp(*four, 3)), 0),
        (plain(udp(*four, 1, 501)), 0), (with_options(udp(*four, 1)), 1),
        (with_options(udp(*four, 2)), 2), (in_fragments(udp(*four, 1)), 1),
        (in_fragments(udp(*four, 2)), 2), (plain(udp(*six, 1)), 1), (plain(udp(*six, 2)), 2),
        (behind_a_header(udp(*six, 1)), 1), (behind_a_header(udp(*six, 2)), 1),
        (behind_a_header(udp(*six, 2, 501)), 0),
        (plain(replace(udp(*four, 1), payload=b"")), 0),
    ]  # fmt: skip
    with Lab() as lab:
        for family, tool in ((Family.IPV4, "iptables"), (Family.IPV6, "ip6tables")):
            text = table(chain([others], commands(rules, family)), *asked)
            lab.router.run(f"{tool}-legacy-restore", text=text)
        for number, (sent, bit) in enumerate(cases):
            tool = "iptables" if sent[0].source.version == 4 else "ip6tables"
            lab.router.run(f"{tool}-legacy", "-t", "mangle", "-Z")
            lab.forget()
            lab.deliver(("c1", each) for each in sent)
            listed = lab.router.run(f"{tool}-legacy-save", "-c", "-t", "mangle")
            counted = re.findall(r"\[(\d+):\d+\] -A FORWARD -p udp -m mark", listed)
            assert counted == ["1" if n == bit else "0" for n in range(3)], f"{number}: {listed}"
