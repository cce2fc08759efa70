"""Walk one packet through the hooks of a ruleset, as the kernel would.

The order of things is that of net/netfilter/core.c (hooks by priority), nf_conntrack_core.c and
nf_nat_core.c; within a chain that of nft_do_chain in nf_tables_core.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, permutations

from compiler.evaluate.connection import Connection
from compiler.evaluate.explore import Choices
from compiler.evaluate.nat import ends_at_router, translate
from compiler.evaluate.outcome import Outcome, Step, Translation, unknown
from compiler.evaluate.packet import Header, Packet, written
from compiler.evaluate.ruleset import BREAK, GO_ON, Chain, Kind, Move, Rule, Ruleset
from compiler.evaluate.value import Truth, Unsure, Value, name_value
from compiler.model.effect import Verdict
from compiler.model.protocol import AH, TCP, UDP

CONNTRACK = -200
#: At which priority NAT is done in a hook, whatever the priority of the nat chains.
NAT_AT = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
_DEEPEST = 64
_VERDICTS = {Kind.ACCEPT: Verdict.PASS, Kind.DROP: Verdict.DROP, Kind.REJECT: Verdict.REJECT}
_ENDS = frozenset({Kind.DROP, Kind.REJECT, Kind.UNKNOWN})
#: ip6tables passes over an authentication header as over an extension header, iptables-nft and
#: nft do not (ipv6_find_hdr, nft_set_pktinfo_ipv6); both print the same listing.
CARRIED = "whether an authentication header is passed over is not known"
#: A station of a hook: a chain, or one of the words "conntrack" and "nat".
_Station = Chain | str


class Walk:
    """A packet under way: what it is by now, and what has been done to it."""

    def __init__(self, ruleset: Ruleset, packet: Packet, choices: Choices) -> None:
        """Start outside of the router."""
        self.ruleset = ruleset
        self.packet = packet
        self.choices = choices
        self.data: Header = written(packet)
        self._transport_at = 160 if packet.family == "ip" else 320
        hidden = ruleset.xtables and packet.layer4 == AH and packet.family == "ip6"
        self.layer4: int | None = None if hidden else packet.layer4
        self.mark = _mark(packet.mark, "the mark of the packet is not known")
        self.connection = Connection(packet)
        self.hook = ""
        self.steps: list[Step] = []
        self.translations: list[Translation] = []
        self._deeds: list[Step] = []
        self._path: list[Step] = []
        self._at: Step | None = None

    def travel(self, hooks: Sequence[str]) -> Outcome:
        """Pass the hooks one after the other until one ends the way."""
        move = GO_ON
        for hook in hooks:
            self.hook = hook
            if hook == "forward":
                self._age()
                if self._offloaded():
                    break
            move = self._pass(self._stations(hook))
            if move.kind in _ENDS:
                break
            if hook == "prerouting" and "forward" in hooks and ends_at_router(self):
                move = Move(Kind.UNKNOWN, "the packet is redirected to the router itself")
                break
        return self._outcome(move)

    def decide(self, truth: Truth) -> bool:
        """Turn an answer into yes or no; doubts are explored both ways."""
        if isinstance(truth, Unsure):
            return self.choices.holds(f"{truth.reason} ({self._at})" if self._at else truth.reason)
        return truth

    def read(self, base: str, offset: int, width: int) -> Value | None:
        """Give bits of the packet, counted from its ``nh`` or ``th``; ``None`` past its end."""
        if base == "th" and self.layer4 is None:
            return Value.unknown(width, CARRIED)
        return self.data.read(offset + (self._transport_at if base == "th" else 0), width)

    def write(self, base: str, offset: int, part: Value) -> None:
        """Change bits of the packet."""
        self.data = self.data.write(offset + (self._transport_at if base == "th" else 0), part)

    def interface(self, *, incoming: bool) -> Value:
        """Give the name of an interface, empty where the hook has none."""
        packet = self.packet
        if incoming and self.hook == "postrouting" and packet.iif:
            return Value.unknown(
                128, "not every kernel knows the incoming interface in postrouting"
            )
        hidden = ("output", "postrouting") if incoming else ("prerouting", "input")
        name = "" if self.hook in hidden else packet.iif if incoming else packet.oif
        return name_value(name)

    def translated(self, kind: str, to: str) -> None:
        """Note that the rule at hand does NAT."""
        if self._at is not None:
            self.translations.append(Translation(kind, to, self._at))

    def helped(self, helper: str) -> None:
        """Note that the rule at hand assigns a helper."""
        self.connection.helper = helper
        if self._at is not None:
            self._deeds.append(self._at)

    def _age(self) -> None:
        """Count the hop, as ip_forward and ip6_forward do before their hook."""
        ttl = self.packet.ttl
        if ttl is not None:
            self.write("nh", 64 if self.packet.family == "ip" else 56, Value.of(ttl - 1, 8))

    def _offloaded(self) -> bool:
        packet = self.packet
        return (
            self.ruleset.offloads
            and packet.state == "established"
            and packet.layer4 in (TCP, UDP)
            and self.choices.holds("the connection may be in a flow table, past the forward hook")
        )

    def _stations(self, hook: str) -> list[_Station]:
        """Give the stations of a hook in their order; every order where priorities are equal."""
        places: list[tuple[int, _Station]] = [
            (chain.hook.priority, chain)
            for chain in self.ruleset.hooked(hook, self.packet.family)
            if chain.hook and chain.hook.type != "nat"
        ]
        if hook in ("prerouting", "output"):
            places.append((CONNTRACK, "conntrack"))
        if hook in NAT_AT:
            places.append((NAT_AT[hook], "nat"))
        places.sort(key=lambda place: place[0])
        found: list[_Station] = []
        for _, group in groupby(places, key=lambda place: place[0]):
            found += self._ordered([station for _, station in group])
        return found

    def _ordered(self, stations: list[_Station]) -> list[_Station]:
        if len(stations) == 1:
            return stations
        orders = list(permutations(stations)) if len(stations) <= 3 else [tuple(stations)]
        names = " and ".join(s if isinstance(s, str) else s.table_name for s in stations)
        reason = f"{names} have the same priority in {self.hook}"
        return list(orders[self.choices.pick(len(orders), reason)])

    def _pass(self, stations: list[_Station]) -> Move:
        for station in stations:
            if station == "conntrack":
                self.connection.look_up()
                continue
            move = translate(self) if isinstance(station, str) else self.base(station)
            if move.kind in _ENDS:
                return move
        return Move(Kind.ACCEPT)

    def base(self, chain: Chain) -> Move:
        """Walk a base chain to its end or its policy."""
        self._path = []
        move = self._chain(chain, 0)
        self._at = None
        if move.kind in (Kind.GO_ON, Kind.RETURN) and chain.hook:
            text = f"policy {chain.hook.policy}"
            self._path = [Step(chain.table_name, chain.name, "", text, self.hook)]
            move = Move(Kind(chain.hook.policy))
        self.steps += self._path
        return move

    def _chain(self, chain: Chain, depth: int) -> Move:
        if depth > _DEEPEST:
            return Move(Kind.UNKNOWN, f"the jumps to {chain.name} do not end")
        for rule in chain.rules:
            move = self._rule(chain, rule)
            if move.kind in (Kind.JUMP, Kind.GOTO):
                move = self._jump(chain, move, depth)
            if move.kind not in (Kind.GO_ON, Kind.BREAK):
                return move
        return GO_ON

    def _jump(self, chain: Chain, move: Move, depth: int) -> Move:
        there = self.ruleset.chains[chain.family, chain.table, move.word]
        so_far = len(self._path)
        end = self._chain(there, depth + 1)
        if end.kind in (Kind.GO_ON, Kind.RETURN):
            del self._path[so_far - 1 :]
            return Move(Kind.RETURN) if move.kind is Kind.GOTO else GO_ON
        return end

    def _rule(self, chain: Chain, rule: Rule) -> Move:
        self._at = Step(chain.table_name, chain.name, rule.place, rule.text, self.hook)
        for statement in rule.statements:
            move = statement.run(self)
            if move.kind is Kind.BREAK:
                return BREAK
            if move.kind is not Kind.GO_ON:
                self._path.append(self._at)
                return move
        return GO_ON

    def _outcome(self, move: Move) -> Outcome:
        steps = tuple(self.steps)
        if move.kind is Kind.UNKNOWN:
            where = f" ({steps[-1]})" if steps else ""
            return unknown(f"{move.word}{where}", steps)
        verdict = _VERDICTS.get(move.kind, Verdict.PASS)
        return Outcome(
            verdict,
            steps,
            self.connection.helper,
            tuple(self.translations),
            tuple(self._deeds),
            possible=frozenset({verdict}),
        )


def _mark(number: int | None, reason: str) -> Value:
    return Value.unknown(32, reason) if number is None else Value.of(number, 32)
