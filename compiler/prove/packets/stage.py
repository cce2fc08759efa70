"""The stage: talks are played, all of them at once, packet by packet.

Every talk says its next line, the lab delivers, every listener checks what has arrived: so two
clients are in the middle of the same exchange at the same time, which is what NAT finds hard. Talks
that a NAT cannot tell apart (two clients of one server, in a protocol without ports) are played
one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from compiler.model.device import Address
from compiler.model.protocol import PORTED, TCP, Family
from compiler.prove.exchanges import Line, Memory, Side
from compiler.prove.lab import Lab, Packet
from compiler.prove.lab.network import INTERNET
from compiler.prove.lab.packets import ACK, SYN, SYN_ACK
from compiler.prove.packets.rounds import Routes, apart
from compiler.prove.packets.talk import Talk
from compiler.prove.result import Experience

#: More packets at once could fill the kernel's queue for a CPU (net.core.netdev_max_backlog).
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One packet: a line of the exchange, or a part of TCP's handshake."""

    flow: str
    by: Side
    says: str
    line: Line | None = None
    flags: int = ACK


@dataclass(frozen=True, slots=True)
class Lost:
    """A step that did not come off, and the packet that carried it."""

    step: Step
    wrong: str = ""
    arrived: Packet | None = None
    token: int = 0


@dataclass(slots=True)
class Course:
    """How a talk goes."""

    talk: Talk
    steps: list[Step]
    memories: dict[Side, Memory]
    came: dict[tuple[str, Side], Packet] = field(default_factory=dict)
    sent: dict[tuple[str, Side], int] = field(default_factory=dict)
    said: dict[str, int] = field(default_factory=dict)
    lost: dict[str, Lost] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)

    def experience(self, flow: str) -> Experience:
        """Say what became of a flow."""
        if flow not in self.lost:
            return Experience.PASSED
        return Experience.PARTLY if self.said.get(flow) else Experience.BLOCKED


def begin(talk: Talk) -> Course:
    """Give a talk that has not begun."""
    seed = talk.exchange.id.encode()
    memories = {side: talk.exchange.begin(seed, talk.number % 4096) for side in Side}
    return Course(talk, list(_steps(talk, _script(talk))), memories)


def _script(talk: Talk) -> Sequence[Line]:
    lines = talk.exchange.lines
    if talk.kind == "running":
        return (*talk.exchange.opening, *talk.exchange.data)
    if not talk.short or len(talk.exchange.flows) > 1:
        return lines
    return lines[:2]


def _steps(talk: Talk, lines: Iterable[Line]) -> Iterator[Step]:
    """Give the packets of the lines; each TCP flow is opened before its first line."""
    opened: set[str] = set()
    for line in lines:
        if line.flow not in talk.wanted:
            continue
        if talk.wanted[line.flow].flow.layer4 == TCP and line.flow not in opened:
            opened.add(line.flow)
            yield Step(line.flow, Side.CLIENT, "TCP SYN", flags=SYN)
            yield Step(line.flow, Side.SERVER, "TCP SYN-ACK", flags=SYN_ACK)
            yield Step(line.flow, Side.CLIENT, "TCP ACK", flags=ACK)
        yield Step(line.flow, line.by, line.says, line)


class Stage:
    """Plays talks in a lab."""

    def __init__(self, lab: Lab) -> None:
        """Take a lab whose router has its rules."""
        self._lab = lab

    def play(self, talks: Iterable[Talk]) -> list[Course]:
        """Play whole talks; connections of former ones are forgotten."""
        done: list[Course] = []
        for some in apart(talks):
            self._lab.forget()
            courses = [begin(talk) for talk in some]
            with self.routes(some):
                self.go_on(courses)
            done += courses
        return done

    def go_on(self, courses: Sequence[Course]) -> None:
        """Play the steps that are left."""
        left = [course for course in courses if course.steps]
        while left:
            self._round(left)
            left = [course for course in left if course.steps]

    def repeat(self, courses: Iterable[Course]) -> dict[int, dict[str, set[Side]]]:
        """Send data again over tunnels that are up: by talk and flow, whose data came through."""
        through: dict[int, dict[str, set[Side]]] = {}
        for course in courses:
            through[course.talk.number] = {flow: set() for flow in course.talk.wanted}
        for side in Side:
            packets = {}
            for course in courses:
                for flow in course.talk.wanted:
                    if flow in course.lost:
                        continue
                    packet = self._again(course, flow, side)
                    packets[packet.token] = (course, flow, packet)
            arrived = self._deliver([(c, p, side) for c, _, p in packets.values()])
            for token, (course, flow, _) in packets.items():
                if token in arrived:
                    through[course.talk.number][flow].add(side)
        return through

    def _again(self, course: Course, flow: str, side: Side) -> Packet:
        """Give one more packet of a flow: its last data of that side, as if it went on."""
        lines = [
            line for line in course.talk.exchange.lines if line.flow == flow and line.by is side
        ]
        data = [line for line in course.talk.exchange.data if line.flow == flow and line.by is side]
        line = (data or lines)[-1] if data or lines else None
        body = line.build(course.memories[side]) if line else b"more"
        return self._packet(course, Step(flow, side, "data", line), body)

    def _round(self, courses: Sequence[Course]) -> None:
        """Let every talk say its next line."""
        now = [(course, course.steps.pop(0)) for course in courses]
        for part in range(0, len(now), _BATCH):
            some = [
                (course, step, self._packet(course, step, self._body(course, step)))
                for course, step in now[part : part + _BATCH]
            ]
            arrived = self._deliver([(course, packet, step.by) for course, step, packet in some])
            for course, step, packet in some:
                self._heard(course, step, packet, arrived.get(packet.token))

    def _body(self, course: Course, step: Step) -> bytes:
        return step.line.build(course.memories[step.by]) if step.line else b""

    def _packet(self, course: Course, step: Step, body: bytes) -> Packet:
        talk, key = course.talk, (step.flow, step.by)
        wanted = talk.wanted[step.flow]
        if step.by is Side.CLIENT:
            source, called = talk.source, talk.called
            ports = (talk.source_port, wanted.port)
        else:
            seen = course.came.get((step.flow, Side.CLIENT))
            source, called, ports = _turned(seen, talk)
        if wanted.flow.layer4 not in PORTED:
            ports = (0, 0)
        sequence = course.sent.get(key, 1000 if step.by is Side.CLIENT else 5000)
        peer = course.sent.get((step.flow, step.by.other), 0)
        size = 1 if step.flags in (SYN, SYN_ACK) else len(body)
        course.sent[key] = sequence + size
        ours = step.by is Side.CLIENT and not talk.inbound
        return Packet(
            wanted.flow.layer4, source, called, self._lab.token(), *ports, body, step.flags,
            sequence, 0 if step.flags == SYN else peer,
            talk.wan.tos if ours else 0, talk.ttl if ours else 64,
        )  # fmt: skip

    def _deliver(self, some: Sequence[tuple[Course, Packet, Side]]) -> dict[int, Packet]:
        """Send packets, each from its side's host; what arrived at the other side's, by token."""
        found: dict[int, Packet] = {}
        for link in dict.fromkeys(course.talk.wan.interface for course, _, _ in some):
            batch = [one for one in some if one[0].talk.wan.interface == link]
            arrived = self._lab.deliver(
                ((_host(course.talk, side), packet) for course, packet, side in batch), link
            )
            for course, packet, side in batch:
                came = self._at(arrived, course.talk, side.other).get(packet.token)
                if came is not None and came.layer4 == packet.layer4:
                    found[packet.token] = came
        return found

    def _at(
        self, arrived: dict[str, dict[int, Packet]], talk: Talk, side: Side
    ) -> dict[int, Packet]:
        """Give what arrived at a side; who is called in a LAN may be any host of it."""
        host = _host(talk, side)
        if host == INTERNET or not talk.inbound:
            return arrived[host]
        found: dict[int, Packet] = {}
        for client in self._lab.layout.lan_of(host).clients:
            found.update(arrived[client.name])
        return found

    def _heard(self, course: Course, step: Step, sent: Packet, came: Packet | None) -> None:
        """Note what came of a step; a flow that is lost says nothing more."""
        course.first.setdefault(step.flow, sent.token)
        wrong = ""
        if came is not None:
            wrong = _untranslated(course.talk, step, came)
            if not wrong and step.line is not None:
                wrong = step.line.check(course.memories[step.by.other], came.payload)
        if came is None or wrong:
            course.lost[step.flow] = Lost(step, wrong, came, sent.token)
            course.steps = [left for left in course.steps if left.flow != step.flow]
            if came is None:
                return
        course.said[step.flow] = course.said.get(step.flow, 0) + 1
        course.came[step.flow, step.by] = came

    def routes(self, talks: Sequence[Talk]) -> Routes:
        """Give the way back to clients whose addresses are not their own, for a block."""
        return Routes(self._lab, talks)

    def use(self, course: Course, flow: str, side: Side) -> int:
        """Send data once more over a tunnel that is up; the token of the packet."""
        packet = self._again(course, flow, side)
        self._deliver([(course, packet, side)])
        return packet.token


def _turned(seen: Packet | None, talk: Talk) -> tuple[Address, Address, tuple[int, int]]:
    """Answer to where a packet came from, as its receiver saw it."""
    if seen is None:
        return talk.called, talk.source, (0, 0)
    return seen.destination, seen.source, (seen.destination_port, seen.source_port)


def _host(talk: Talk, side: Side) -> str:
    return talk.client if side is Side.CLIENT else talk.server


def _untranslated(talk: Talk, step: Step, came: Packet) -> str:
    """Say what NAT left undone: over IPv4, the internet must see the router's address alone."""
    if talk.family is not Family.IPV4 or talk.routed:
        return ""
    if not talk.inbound and step.by is Side.CLIENT and came.source != talk.wan.ipv4:
        return "it leaves with the client's own address: nothing translates it"
    if talk.inbound and step.by is Side.SERVER and came.source != talk.wan.ipv4:
        return "the answer leaves with the server's own address: nothing translates it"
    return ""
