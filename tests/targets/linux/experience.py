"""What probes experience: their packets, sent through the kernel that the lab's router is."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from compiler.model.effect import Direction, Probe
from compiler.model.protocol import AH, GRE, PORTED, Family
from compiler.prove.lab.network import Lab
from compiler.prove.lab.packets import SCTP, Address, Packet
from targets.linux.effects import sample_payload
from tests.prove.lab.office import ROUTER_WAN, VIA_WAN2
from tests.prove.lab.pptp import connect, gre

#: Addresses that no policy of these tests names.
_NOBODY = {4: ip_address("192.0.2.78"), 6: ip_address("2001:db8:77::78")}
_OWN = [ip_network(f"192.168.{n}.0/24") for n in (1, 2)]
_OWN6 = [ip_network(f"2001:db8:{n}::/64") for n in (1, 2)]
_ROUTER = {ip_address(address) for address in (*ROUTER_WAN.values(), "192.168.1.254")}
_HOST = {"lan": "c1", "guest": "g1"}


@dataclass(frozen=True, slots=True)
class Trip:
    """A probe's packet, and who sends it to whom."""

    probe: Probe
    packet: Packet
    sender: str
    receiver: str


def trips(lab: Lab, probes: Iterable[Probe]) -> Iterator[Trip]:
    """Give the packets of those probes that can be sent at all."""
    for number, probe in enumerate(probes):
        trip = _trip(lab, probe, 20000 + number)
        if trip is not None:
            yield trip


def _trip(lab: Lab, probe: Probe, port: int) -> Trip | None:
    version = 4 if probe.family is Family.IPV4 else 6
    inbound = probe.direction is Direction.IN
    source = probe.source_address or (_NOBODY[version] if inbound else _client(probe, version))
    destination = probe.destination_address or _NOBODY[version]
    if inbound and version == 4:
        destination = ip_address(ROUTER_WAN[probe.source])
    if not _can_travel(source, destination, inbound=inbound):
        return None
    ported = probe.flow.layer4 in PORTED
    packet = Packet(
        probe.flow.layer4,
        source,
        destination,
        lab.token(),
        port if ported else 0,
        probe.port,
        payload_of(probe),
        tos=VIA_WAN2 if probe.destination == "wan2" else 0,
    )
    host = _HOST[probe.destination if inbound else probe.source]
    return Trip(probe, packet, *(("internet", host) if inbound else (host, "internet")))


def _client(probe: Probe, version: int) -> Address:
    number = 1 if probe.source == "lan" else 2
    return ip_address(f"192.168.{number}.11" if version == 4 else f"2001:db8:{number}::11")


def _can_travel(source: Address, destination: Address, *, inbound: bool) -> bool:
    """Leave out what no router forwards: multicast, loopback, its own addresses."""
    inside = [*_OWN, *_OWN6]
    home, far = (destination, source) if inbound else (source, destination)
    if not inbound and all(home not in net for net in inside if net.version == home.version):
        return False
    if any(far in net for net in inside if net.version == far.version):
        return False
    if {source, destination} & (_ROUTER - ({destination} if inbound else set())):
        return False
    odd = far.is_multicast or far.is_loopback or far.is_unspecified or far.is_link_local
    edge = far.version == 4 and (far in ip_network("0.0.0.0/8") or int(far) == 2**32 - 1)
    return not (odd or edge)


def payload_of(probe: Probe) -> bytes:
    """Give a payload that conntrack takes for the protocol."""
    if probe.flow.layer4 == GRE:
        return gre(7)
    if probe.flow.layer4 == AH:  # next header: a protocol that nobody filters (RFC 4302)
        return struct.pack("!BBHII12s", 99, 4, 0, 1000, 1, b"icv") + b"data"
    if probe.flow.layer4 == SCTP:
        return b""  # the lab writes an INIT chunk
    return sample_payload(probe.flow.signature)


def rounds(found: Sequence[Trip]) -> Iterator[list[Trip]]:
    """Part trips into rounds, in which no two of one portless protocol share their far end.

    NAT cannot tell such connections apart, also where they come in over two WANs.
    """
    left = list(found)
    while left:
        used: set[tuple[object, ...]] = set()
        now, later = list[Trip](), list[Trip]()
        for trip in left:
            one = trip.packet
            inbound = trip.probe.direction is Direction.IN
            key = (one.layer4, one.source if inbound else one.destination)
            if trip.probe.flow.layer4 in PORTED or key not in used:
                used.add(key)
                now.append(trip)
            else:
                later.append(trip)
        yield now
        left = later


def pass_through(lab: Lab, found: Sequence[Trip]) -> dict[Probe, bool]:
    """Open a connection for each trip: whether the packet and its answer come through."""
    passed: dict[Probe, bool] = {}
    for trip in found:
        if trip.probe.flow.carried:
            lab.forget()
            passed[trip.probe] = _carried(lab, trip)
    for some in rounds([trip for trip in found if not trip.probe.flow.carried]):
        lab.forget()
        passed.update(_open(lab, some))
    return passed


def _open(lab: Lab, some: list[Trip]) -> dict[Probe, bool]:
    arrived = lab.deliver((trip.sender, trip.packet) for trip in some)
    answers = {}
    for trip in some:
        seen = arrived[trip.receiver].get(trip.packet.token)
        if seen is not None:
            answers[trip.probe] = seen.answer(lab.token())
    back = lab.deliver(
        (trip.receiver, answers[trip.probe]) for trip in some if trip.probe in answers
    )
    return {
        trip.probe: trip.probe in answers and answers[trip.probe].token in back[trip.sender]
        for trip in some
    }


def survive(lab: Lab, some: list[Trip], load: Callable[[], None]) -> dict[Probe, tuple[bool, bool]]:
    """Open connections, let ``load`` change the rules, then use them: out and back."""
    arrived = lab.deliver((trip.sender, trip.packet) for trip in some)
    seen = {t.probe: arrived[t.receiver][t.packet.token] for t in some}
    answers = {trip.probe: seen[trip.probe].answer(lab.token()) for trip in some}
    lab.deliver((trip.receiver, answers[trip.probe]) for trip in some)
    load()
    again = {t.probe: t.packet.again(lab.token(), flags=0x10, sequence=1001, acknowledged=5001)
             for t in some}  # fmt: skip
    replies = {
        t.probe: answers[t.probe].again(lab.token(), flags=0x10, sequence=5001) for t in some
    }
    there = lab.deliver((trip.sender, again[trip.probe]) for trip in some)
    here = lab.deliver((trip.receiver, replies[trip.probe]) for trip in some)
    return {
        t.probe: (
            again[t.probe].token in there[t.receiver],
            replies[t.probe].token in here[t.sender],
        )
        for t in some
    }


def _carried(lab: Lab, trip: Trip) -> bool:
    """Open a call and send data both ways; without a call, the data alone."""
    ends = trip.packet.source, trip.packet.destination
    if trip.packet.source.version == 4:
        call = connect(lab, trip.sender, trip.receiver, ends, (7, 9), tos=trip.packet.tos)
        if call is not None:
            return all(call.data_arrives())
    return _open(lab, [trip])[trip.probe]
