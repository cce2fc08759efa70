"""The court: packets go through a kernel, and the evaluator must have said what happens to them.

Each trial is a packet of a connection of its own. Those that get through are answered, and the
answers and then later packets are trials too.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network

from compiler.evaluate import Ends, Outcome, Packet, Ruleset, Verdict
from compiler.model.device import Address
from compiler.model.protocol import AH, ESP, GRE, TCP, UDP
from compiler.prove.lab import packets as wire
from compiler.prove.lab.network import Lab
from tests.prove.lab.office import ROUTER_WAN, VIA_WAN2

ICMP, ICMPV6, L2TP = 1, 58, 115
PORTS = (22, 53, 80, 443, 500, 1024, 1701, 1723, 4500, 40000)
FLAGS = (0x02, 0x02, 0x02, 0x10, 0x18, 0xC2, 0x00, 0x29)
#: Combinations that conntrack calls invalid (tcp_valid_flags in nf_conntrack_proto_tcp.c).
INVALID_FLAGS = frozenset({0x00, 0x29})
PAYLOADS = (b"", b"\x01\0\0\0" + b"\x07" * 144, b"\x38" * 20, bytes(range(64)), b"\0" * 300)
_SIDES = {
    "c1": ("br-lan", "192.168.1.11", "2001:db8:1::11"),
    "c2": ("br-lan", "192.168.1.12", "2001:db8:1::12"),
    "g1": ("br-guest", "192.168.2.11", "2001:db8:2::11"),
}
_BEHIND_WAN2 = ip_network("2001:db8:f2::/64")


@dataclass(frozen=True, slots=True)
class Trial:
    """A packet as rules see it and as it is sent."""

    packet: Packet
    sent: wire.Packet
    sender: str


@dataclass(slots=True)
class Record:
    """What was found; ``wrong`` are sentences."""

    pairs: int = 0
    unknown: int = 0
    passed: int = 0
    states: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, trial: Trial, outcome: Outcome, arrived: wire.Packet | None) -> None:
        """Compare a prediction with what the kernel did."""
        packet = trial.packet
        state = f"{packet.state}{'-reply' if packet.reply else ''}"
        self.pairs += 1
        self.passed += arrived is not None
        self.unknown += outcome.verdict is Verdict.UNKNOWN
        self.states[state] = self.states.get(state, 0) + 1
        if not _agrees(outcome, arrived):
            did = "let it pass" if arrived else "stopped it"
            self.wrong.append(
                f"{packet}\nthe evaluator says {outcome.verdict}: {outcome.because}\n"
                f"steps {[*map(str, outcome.steps)]}\nthe kernel {did}: {arrived}"
            )


def _agrees(outcome: Outcome, arrived: wire.Packet | None) -> bool:
    if arrived is None:
        return any(verdict.blocks for verdict in outcome.possible)
    if Verdict.PASS not in outcome.possible:
        return False
    if outcome.uncertain & {"nat"} or outcome.verdict is Verdict.UNKNOWN:
        return True
    wanted = [done.to for done in outcome.translations if done.kind == "dnat"]
    return all(str(arrived.destination) == to.split()[0].strip("[]") for to in wanted)


def router_addresses(lab: Lab) -> frozenset[Address]:
    """Ask the router for its addresses."""
    listed = json.loads(lab.router.run("ip", "-j", "address"))
    texts = [info["local"] for link in listed for info in link["addr_info"]]
    return frozenset(map(ip_address, texts))


def judge(
    lab: Lab, ruleset: Ruleset, trials: Iterable[Trial], record: Record, *, reply: bool
) -> None:
    """Send all trials, then answers to what got through, then the next packets of those."""
    opened = _hear(lab, ruleset, list(trials), record)
    if not reply:
        return
    answers = {
        id(answer := _answer(lab, trial, arrived, receiver)): (answer, trial)
        for trial, arrived, receiver in opened
        if _answerable(trial.packet)
    }
    answered = _hear(lab, ruleset, [answer for answer, _ in answers.values()], record)
    later = [_later(lab, answers[id(answer)][1], answer) for answer, _, _ in answered]
    _hear(lab, ruleset, later, record)


def _answerable(packet: Packet) -> bool:
    return packet.state == "new" and packet.tcp_flags in (0x02, 0xC2) and packet.layer4 != AH


def _hear(
    lab: Lab, ruleset: Ruleset, trials: list[Trial], record: Record
) -> list[tuple[Trial, wire.Packet, str]]:
    found = lab.deliver((trial.sender, trial.sent) for trial in trials)
    through = []
    for trial in trials:
        got = [
            (packet, host)
            for host, packets in found.items()
            if host != trial.sender
            and (packet := packets.get(trial.sent.token)) is not None
            and packet.layer4 == trial.sent.layer4
        ]
        record.add(trial, ruleset.forward(trial.packet), got[0][0] if got else None)
        through += [(trial, packet, host) for packet, host in got[:1]]
    return through


def _answer(lab: Lab, trial: Trial, arrived: wire.Packet, receiver: str) -> Trial:
    packet = trial.packet
    payload = packet.payload or b""
    if packet.layer4 in (ICMP, ICMPV6):
        type_ = 0 if packet.layer4 == ICMP else 129
        payload = _echo(type_, payload[4:6], arrived.destination, arrived.source)
    sent = arrived.answer(lab.token(), payload)
    original = Ends(packet.source, packet.destination, packet.source_port, packet.destination_port)
    seen = Packet(
        sent.source,
        sent.destination,
        packet.layer4,
        _way_in(sent.destination) if receiver == "internet" else packet.oif,
        packet.iif,
        sent.source_port,
        sent.destination_port,
        payload,
        sent.flags,
        "established",
        reply=True,
        original=original,
        translated=Ends(sent.source, sent.destination, sent.source_port, sent.destination_port),
        router=packet.router,
        ct_mark=None,
        dscp=sent.tos >> 2,
    )
    return Trial(seen, sent, receiver)


def _way_in(destination: Address) -> str:
    """Give the link by which the internet's answers come: its own routes decide."""
    four = str(destination) == ROUTER_WAN["wan2"]
    return "wan2" if four or destination in _BEHIND_WAN2 else "wan"


def _later(lab: Lab, trial: Trial, answer: Trial) -> Trial:
    sent = trial.sent.again(
        lab.token(),
        flags=0x10,
        sequence=trial.sent.sequence + 1,
        acknowledged=answer.sent.sequence + 1,
    )
    seen = replace(
        trial.packet,
        state="established",
        tcp_flags=0x10,
        original=answer.packet.original,
        translated=answer.packet.translated,
        ct_mark=None,
    )
    return Trial(seen, sent, trial.sender)


class Clerk:
    """Makes random trials in which no two packets are of one connection."""

    def __init__(self, lab: Lab, rng: random.Random) -> None:
        """Remember where the packets will go."""
        self._lab, self._rng = lab, rng
        self._router = router_addresses(lab)

    def trials(self, count: int) -> Iterator[Trial]:
        """Give trials."""
        hosts = set(range(20, 250))
        for _ in range(count):
            last = self._rng.choice(sorted(hosts))
            hosts.discard(last)
            yield self._trial(last)

    def _trial(self, last: int) -> Trial:
        rng = self._rng
        four = rng.random() < 0.6
        host = rng.choice(list(_SIDES))
        link, lan4, lan6 = _SIDES[host]
        inner: Address = ip_address(lan4 if four else lan6)
        outer: Address = ip_address(
            f"{rng.choice(('203.0.113', '198.51.100', '192.0.2'))}.{last}"
            if four
            else f"2001:db8:{rng.choice(('aa', 'bb', 'ff'))}::{last:x}"
        )
        wan, tos = rng.choice((("wan", 0), ("wan", 0), ("wan2", VIA_WAN2)))
        if rng.random() < 0.2:
            return self._send("internet", outer, inner, ("wan", link, 0))
        return self._send(host, inner, outer, (link, wan, tos))

    def _send(
        self, sender: str, source: Address, destination: Address, way: tuple[str, str, int]
    ) -> Trial:
        rng, (iif, oif, tos) = self._rng, way
        echo = ICMP if source.version == 4 else ICMPV6
        layer4 = rng.choice((TCP, TCP, TCP, UDP, UDP, UDP, echo, GRE, ESP, AH, L2TP))
        token = self._lab.token()
        payload = b"" if layer4 == TCP else rng.choice(PAYLOADS)
        if layer4 == echo:
            kind = 8 if echo == ICMP else 128
            payload = _echo(kind, struct.pack("!H", token), source, destination)
        elif layer4 == GRE:
            payload = b"\0\0\x08\0" + b"\0" * 8 + payload
        elif layer4 == AH:
            payload = struct.pack("!BBHII", UDP, 1, 0, 0x3B040001, 7)
            payload += struct.pack("!HHHH", 1024 + token, rng.choice(PORTS), 8, 0)
        elif layer4 in (ESP, L2TP):
            payload = struct.pack("!IIII", 0x3B040000 + rng.choice((1, 2, 3)), 5, 500, 7) + payload
        ports = (1024 + token, rng.choice(PORTS)) if layer4 in (TCP, UDP) else (0, 0)
        flags = rng.choice(FLAGS) if layer4 == TCP else 0x02
        state = "invalid" if flags in INVALID_FLAGS else "new"
        sent = wire.Packet(
            layer4, source, destination, token, *ports, payload, flags, acknowledged=9, tos=tos
        )
        seen = Packet(
            source, destination, layer4, iif, oif, *ports, payload, flags, state,
            router=self._router, dscp=tos >> 2,
        )  # fmt: skip
        return Trial(seen, sent, sender)


def _echo(kind: int, identity: bytes, source: Address, destination: Address) -> bytes:
    body = struct.pack("!BBH", kind, 0, 0) + identity + b"\0\x01" + b"passthru"
    pseudo = b""
    if source.version == 6:
        pseudo = source.packed + destination.packed + struct.pack("!II", len(body), ICMPV6)
    data = pseudo + body
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", ~total & 0xFFFF) + body[4:]
