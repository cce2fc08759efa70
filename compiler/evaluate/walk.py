"""Walk one packet through the hooks of a ruleset, as the kernel would.

The order of things is that of net/netfilter/core.c (hooks by priority), nf_conntrack_core.c and
nf_nat_core.c; within a chain that of nft_do_chain in nf_tables_core.c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import groupby, permutations

from compiler.evaluate.explore import Choices, explore, settle
from compiler.evaluate.nat import ends_at_router, translate
from compiler.evaluate.outcome import Outcome, Step, unknown
from compiler.evaluate.packet import Packet
from compiler.evaluate.ruleset import BREAK, GO_ON, Chain, Kind, Move, Rule, Rules
from compiler.evaluate.value import Value
from compiler.evaluate.way import Way
from compiler.model.effect import Verdict
from compiler.model.protocol import TCP, UDP

CONNTRACK = -200
#: At which priority NAT is done in a hook, whatever the priority of the nat chains.
NAT_AT = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
_DEEPEST = 64
_VERDICTS = {Kind.ACCEPT: Verdict.PASS, Kind.DROP: Verdict.DROP, Kind.REJECT: Verdict.REJECT}
_ENDS = frozenset({Kind.DROP, Kind.REJECT, Kind.UNKNOWN})
#: A station of a hook: a chain, or one of the words "conntrack" and "nat".
_Station = Chain | str


@dataclass(frozen=True, slots=True)
class Ruleset(Rules):
    """Rules that packets can be sent through."""

    def forward(self, packet: Packet) -> Outcome:
        """Send a packet through: prerouting, forward, postrouting.

        Routing is not computed: ``packet.oif`` is where it is taken to lead.
        """
        return self._travel(packet, "prerouting", "forward", "postrouting")

    def input(self, packet: Packet) -> Outcome:
        """Send a packet to the router itself: prerouting, input."""
        return self._travel(packet, "prerouting", "input")

    def output(self, packet: Packet) -> Outcome:
        """Send a packet from the router itself: output, postrouting."""
        return self._travel(packet, "output", "postrouting")

    def translate(self, packet: Packet) -> Outcome:
        """Send a packet past the forward hook, to see what NAT would be done to it."""
        return self._travel(packet, "prerouting", "postrouting")

    def _travel(self, packet: Packet, *hooks: str) -> Outcome:
        if packet.family not in self.families:
            return unknown(f"there is no listing for {packet.family} packets")
        if self.zoned and packet.state in ("established", "related"):
            return unknown("its connection may be in another conntrack zone")
        found = self._explored(lambda choices: Walk(self, packet, choices).travel(hooks))
        if self.hidden and Verdict.PASS in found.possible:
            return unknown(self.hidden, found.steps)
        return found

    def _explored(self, run: Callable[[Choices], Outcome]) -> Outcome:
        return explore(run)


@dataclass(frozen=True, slots=True)
class Settled(Ruleset):
    """A ruleset in which every doubt that a kernel could settle is settled so that packets pass.

    What is unknown nevertheless, no packet could tell.
    """

    @classmethod
    def of(cls, rules: Ruleset) -> Settled:
        """Take a ruleset."""
        return cls(**{each.name: getattr(rules, each.name) for each in fields(rules)})

    def _explored(self, run: Callable[[Choices], Outcome]) -> Outcome:
        return settle(run, Verdict.PASS)


class Walk(Way):
    """A packet on its way through the chains."""

    def __init__(self, rules: Rules, packet: Packet, choices: Choices) -> None:
        """Start outside of the router."""
        super().__init__(packet, choices, xtables=rules.xtables)
        self.rules = rules
        self._path: list[Step] = []
        self._standing: tuple[Chain, Rule] | None = None

    @property
    def at(self) -> Step | None:
        """The rule at hand."""
        if self._standing is None:
            return None
        chain, rule = self._standing
        return Step(chain.table_name, chain.name, rule.place, rule.text, self.hook)

    def travel(self, hooks: Sequence[str]) -> Outcome:
        """Pass the hooks one after the other until one ends the way."""
        move = GO_ON
        for hook in hooks:
            self.hook = hook
            if hook == "forward":
                move = self._age()
                if move.kind in _ENDS or self._offloaded():
                    break
            move = self._pass(self._stations(hook))
            if move.kind in _ENDS:
                break
            if hook == "prerouting" and "forward" in hooks and ends_at_router(self):
                move = Move(Kind.UNKNOWN, "the packet is redirected to the router itself")
                break
        return self._outcome(move)

    def _age(self) -> Move:
        """Count the hop, as ip_forward and ip6_forward do before their hook; the last one ends."""
        offset = 64 if self.packet.family == "ip" else 56
        left = self.read("nh", offset, 8)
        if left is None or self.packet.ttl is None:
            return GO_ON
        if left.exact is None:
            ends = self.choices.holds("a rule sets the hop count to what is not known")
        else:
            ends = left.exact <= 1
            self.write("nh", offset, Value.of(left.exact - 1, 8))
        if not ends:
            return GO_ON
        self.steps += [Step(self.packet.family, "routing", "", "the hop count ends", self.hook)]
        return Move(Kind.DROP)

    def _offloaded(self) -> bool:
        packet = self.packet
        return (
            self.rules.offloads
            and packet.state == "established"
            and not packet.young
            and packet.layer4 in (TCP, UDP)
            and self.choices.holds("the connection may be in a flow table, past the forward hook")
        )

    def _stations(self, hook: str) -> list[_Station]:
        """Give the stations of a hook in their order; every order where priorities are equal."""
        places: list[tuple[int, _Station]] = [
            (chain.hook.priority, chain)
            for chain in self.rules.hooked(hook, self.packet.family)
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
            move = self._translate() if isinstance(station, str) else self.base(station)
            if move.kind in _ENDS:
                return move
        return Move(Kind.ACCEPT)

    def _translate(self) -> Move:
        hooked = self.rules.hooked(self.hook, self.packet.family)
        chains = [chain for chain in hooked if chain.hook and chain.hook.type == "nat"]
        return translate(self, chains, self.base)

    def base(self, chain: Chain) -> Move:
        """Walk a base chain to its end or its policy."""
        self._path = []
        asleep = chain.hook.perhaps if chain.hook else ""
        if asleep and self.choices.holds(asleep):
            return GO_ON
        move = self._chain(chain, 0)
        self._standing = None
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
        there = self.rules.chains[chain.family, chain.table, move.word]
        so_far = len(self._path)
        end = self._chain(there, depth + 1)
        if end.kind in (Kind.GO_ON, Kind.RETURN):
            del self._path[so_far - 1 :]
            return Move(Kind.RETURN) if move.kind is Kind.GOTO else GO_ON
        return end

    def _rule(self, chain: Chain, rule: Rule) -> Move:
        self._standing = (chain, rule)
        for statement in rule.statements:
            move = statement.run(self)
            if move.kind is Kind.BREAK:
                return BREAK
            if move.kind is not Kind.GO_ON:
                self._path.append(
                    Step(chain.table_name, chain.name, rule.place, rule.text, self.hook)
                )
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
            tuple(self.deeds),
            possible=frozenset({verdict}),
            answered=self.connection.answered,
            connection_mark=self.connection.mark.exact,
            tracked=self.connection.exists,
        )
