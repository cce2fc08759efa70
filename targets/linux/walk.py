"""Walk one packet through a table, as the kernel would: what nft_do_chain does, in Python.

Knows exactly the statements of :mod:`targets.linux.nft`. The reference for their meaning is nft(8)
and net/netfilter/nf_tables_core.c; tests hold it against a real kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from compiler.model.device import Address
from compiler.model.protocol import TCP, UDP
from targets.linux import nft
from targets.linux.canonical import layer4_word
from targets.linux.members import Members

_SCTP = 132


@dataclass(frozen=True, slots=True)
class Packet:
    """What rules can see. Addresses are those of the packet; ``None`` lies in no listed network.

    ``first_from`` and ``first_to`` are the ends of the connection as its opener wrote them,
    ``answered_by`` is the address that replies come from.
    """

    incoming: str
    outgoing: str
    family: str
    layer4: int
    source: Address | None
    destination: Address | None
    source_port: int = 0
    destination_port: int = 0
    payload: bytes = b""
    direction: str = "original"
    state: str = "new"
    first_from: Address | None = None
    first_to: Address | None = None
    answered_by: Address | None = None
    local: bool = False
    dnat: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a chain ended: ``accept``, ``drop`` or ``return``, and because of which rule.

    ``met`` counts the rules that were evaluated, those that did not match included.
    """

    verdict: str
    because: str
    helper: str = ""
    dnat_to: str = ""
    met: int = 0


_Getter = Callable[[Packet], object]


def _port(layer4: tuple[int, ...], *, destination: bool) -> _Getter:
    def get(packet: Packet) -> object:
        if layer4 and packet.layer4 not in layer4:
            return None
        return packet.destination_port if destination else packet.source_port

    return get


def _address(family: str, attribute: str) -> _Getter:
    def get(packet: Packet) -> object:
        found: object = getattr(packet, attribute)
        return found if packet.family == family else None

    return get


_FIELDS: dict[str, _Getter] = {
    "ct direction": lambda p: p.direction,
    "ct state": lambda p: p.state,
    "ct status": lambda p: "dnat" if p.dnat else None,
    "iifname": lambda p: f'"{p.incoming}"',
    "oifname": lambda p: f'"{p.outgoing}"',
    "meta nfproto": lambda p: p.family,
    "meta l4proto": lambda p: layer4_word(p.layer4),
    "fib daddr type": lambda p: "local" if p.local else None,
    "udp length": lambda p: 8 + len(p.payload) if p.layer4 == UDP else None,
    "th dport": _port((), destination=True),
    "th sport": _port((), destination=False),
    "ct reply proto-src": lambda p: (  # the server's port, behind DNAT and before masquerading
        p.destination_port if p.direction == "original" else p.source_port
    ),
}
for _name, _layer4 in (("tcp", TCP), ("udp", UDP), ("sctp", _SCTP)):
    _FIELDS[f"{_name} dport"] = _port((_layer4,), destination=True)
    _FIELDS[f"{_name} sport"] = _port((_layer4,), destination=False)
for _word, _family in (("ip", "ipv4"), ("ip6", "ipv6")):
    _FIELDS[f"{_word} saddr"] = _address(_family, "source")
    _FIELDS[f"{_word} daddr"] = _address(_family, "destination")
    _FIELDS[f"ct original {_word} saddr"] = _address(_family, "first_from")
    _FIELDS[f"ct original {_word} daddr"] = _address(_family, "first_to")
    _FIELDS[f"ct reply {_word} saddr"] = _address(_family, "answered_by")
#: The expressions that a table may use; a reader refuses all others.
EXPRESSIONS = frozenset(_FIELDS)


def _raw(key: str, packet: Packet, mask: str) -> str | None:
    """Read ``@th,OFFSET,LENGTH`` (bits) of a UDP packet's payload."""
    _, offset, length = key.split(",")
    first, size = int(offset) // 8 - 8, int(length) // 8
    if packet.layer4 != UDP or first < 0 or len(packet.payload) < first + size:
        return None  # what stands in other headers is not known here; no rule of ours asks
    value = int.from_bytes(packet.payload[first : first + size])
    return hex(value & int(mask, 0)) if mask else hex(value)


def _value(key: str, packet: Packet, mask: str = "") -> object:
    return _FIELDS[key](packet) if key in _FIELDS else _raw(key, packet, mask)


class Walker:
    """A table made ready for many packets."""

    def __init__(self, table: nft.Table) -> None:
        """Index the sets and maps of a table."""
        self.table = table
        self._sets = {s.name: Members(s.key, s.elements) for s in table.sets}
        self._maps = {
            m.name: (Members(m.key, [key for key, _ in m.elements]), m.elements) for m in table.maps
        }
        self._lists: dict[tuple[str, tuple[str, ...]], Members] = {}

    def prerouting(self, packet: Packet) -> tuple[Packet, Outcome]:
        """Walk what stands before routing: the packet as it goes on, and what was done to it."""
        done = Outcome("accept", "nothing hooks prerouting")
        for chain in self.table.hooked("prerouting"):
            outcome = self._base(chain, packet)
            if outcome.verdict == "drop":
                return packet, outcome
            if outcome.dnat_to:
                server = ip_address(outcome.dnat_to)
                packet = replace(
                    packet, destination=server, answered_by=server, local=False, dnat=True
                )
            done = replace(
                outcome,
                helper=done.helper or outcome.helper,
                dnat_to=done.dnat_to or outcome.dnat_to,
            )
        return packet, done

    def forward(self, packet: Packet) -> Outcome:
        """Walk the forward chains in the order of their priority; any drop is final."""
        last = Outcome("accept", "nothing hooks forward")
        for chain in self.table.hooked("forward"):
            last = self._base(chain, packet)
            if last.verdict == "drop":
                break
        return last

    def matches(self, match: nft.Match, packet: Packet) -> bool:
        """Tell whether a packet matches."""
        values = [_value(key, packet, match.mask) for key in match.key.split(" . ")]
        if any(value is None for value in values):
            return False
        members = (
            self._sets.get(match.set_name)
            if match.set_name
            else self._listed(match.key, match.values)
        )
        return members is not None and (members.find(values) is None) is match.negated

    def look_up(self, lookup: nft.Lookup, packet: Packet) -> nft.Verdict | None:
        """Find the verdict of a packet in a map."""
        values = [_value(key, packet, lookup.mask) for key in lookup.key.split(" . ")]
        if not lookup.map_name:
            members = self._listed(lookup.key, tuple(key for key, _ in lookup.pairs))
            index = members.find(values)
            return None if index is None else _verdict(lookup.pairs[index][1])
        found, elements = self._maps.get(lookup.map_name, (Members("", ()), ()))
        index = found.find(values)
        return None if index is None else elements[index][1]

    def _base(self, chain: nft.Chain, packet: Packet) -> Outcome:
        walk = _Walk(self, packet)
        outcome = walk.chain(chain)
        if outcome.verdict == "return":
            policy = chain.hook.policy if chain.hook else "accept"
            outcome = Outcome(policy, f"chain {chain.name}: policy {policy}")
        return replace(outcome, met=walk.met)

    def _listed(self, key: str, values: tuple[str, ...]) -> Members:
        members = self._lists.get((key, values))
        if members is None:
            members = self._lists[(key, values)] = Members(key, values)
        return members


_LEFT = Outcome("return", "")


@dataclass(slots=True)
class _Walk:
    """One packet on its way through one base chain."""

    walker: Walker
    packet: Packet
    met: int = 0

    def chain(self, chain: nft.Chain) -> Outcome:
        for rule in chain.rules:
            self.met += 1
            ended = self._rule(rule)
            if ended is not None:
                return replace(ended, because=ended.because or _place(chain, rule))
        return _LEFT

    def _rule(self, rule: nft.Rule) -> Outcome | None:
        """Walk one rule: how the chain ends here, or nothing when it goes on."""
        for statement in rule:
            verdict: nft.Verdict | None = None
            if isinstance(statement, nft.Match):
                if not self.walker.matches(statement, self.packet):
                    return None
            elif isinstance(statement, nft.Lookup):
                verdict = self.walker.look_up(statement, self.packet)
                if verdict is None:
                    return None
            elif isinstance(statement, nft.Verdict):
                verdict = statement
            elif isinstance(statement, nft.SetHelper):
                return Outcome("accept", "", helper=statement.name)
            elif isinstance(statement, nft.Dnat):
                return Outcome("accept", "", dnat_to=statement.to)
            if verdict is not None:
                return self._obey(verdict)
        return None

    def _obey(self, verdict: nft.Verdict) -> Outcome | None:
        if not verdict.chain:
            return Outcome(verdict.kind, "")
        chain = self.walker.table.chain(verdict.chain)
        if chain is None:
            return Outcome("drop", f"there is no chain {verdict.chain}")
        outcome = self.chain(chain)
        if outcome.verdict != "return":
            return outcome
        return _LEFT if verdict.kind == "goto" else None


def _place(chain: nft.Chain, rule: nft.Rule) -> str:
    return f"chain {chain.name}: {nft.write_rule(rule)}"


def _verdict(text: str) -> nft.Verdict:
    kind, _, chain = text.partition(" ")
    return nft.Verdict(kind, chain)
