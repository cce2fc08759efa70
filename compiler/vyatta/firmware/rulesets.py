"""Rulesets on interfaces as iptables: EdgeOS, and VyOS 1.3.

What is forwarded goes through the hook of rulesets ``in``, then that of rulesets ``out``, and what
came through both is accepted. Accepting in a ruleset is RETURN: it ends that ruleset only. Nothing
is tracked unless NAT or a rule with a state asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from compiler.model.protocol import Family
from compiler.vyatta.firmware.nat import Translation, translations
from compiler.vyatta.firmware.words import End, Rule, Term, rules, unmodelled
from compiler.vyatta.tree import Tree, at, interfaces, leaf

_TARGETS = {"accept": "RETURN", "drop": "DROP", "reject": "REJECT"}
_POLICIES = {"accept": "VYATTA_POST_FW_FWD_HOOK", "drop": "DROP", "reject": "REJECT"}
_HOOKS = (("in", "-i", "VYATTA_FW_IN_HOOK"), ("out", "-o", "VYATTA_FW_OUT_HOOK"))
_POST = "VYATTA_POST_FW_FWD_HOOK"
_POLICY = "VYATTA_STATE_POLICY_FWD_HOOK"
#: The order in which VyOS writes the rules of the state policy.
_POLICY_STATES = ("invalid", "established", "related")
_MODULES = {"6": "tcp", "17": "udp"}
#: A multiport match has room for these; a range takes two.
_MOST_PORTS = 15


class Rulesets:
    """The rules of one address family.

    ``passes_over``: its ip6tables looks for a protocol behind authentication headers, and so has
    no rule that finds those (xtables, before iptables wrote nftables rules).
    """

    def __init__(self, tree: Tree, family: Family, *, passes_over: bool) -> None:
        """Take a whole config."""
        self._tree, self._family = tree, family
        self._four = family is Family.IPV4
        self._key = "name" if self._four else "ipv6-name"
        self._rulesets = at(tree, "firewall", self._key)
        self._nat = translations(tree) if self._four else ()
        self._passes_over = passes_over and not self._four

    def text(self) -> str:
        """Print all tables, as iptables-save does.

        Raises:
            TargetError: T406, the config has what is not modelled, or what the router refuses.
        """
        tables = [("raw", self._raw()), ("filter", self._filter())]
        if self._nat:
            tables.append(("nat", self._translating()))
        return "".join(_table(name, lines) for name, lines in tables)

    # -- tracking

    def _raw(self) -> Iterator[str]:
        yield from (":PREROUTING ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]")
        users = ("FW_CONNTRACK", self._stateful()), ("NAT_CONNTRACK", bool(self._nat))
        yield from (f":{name} - [0:0]" for name, _ in users)
        for hook in ("PREROUTING", "OUTPUT"):
            yield from (f"-A {hook} -j {name}" for name, _ in users)
            yield f"-A {hook} -j NOTRACK"
        yield from (f"-A {name} -j {'ACCEPT' if on else 'RETURN'}" for name, on in users)

    def _stateful(self) -> bool:
        found = (rule for node in self._rulesets.values() for rule in rules(node))
        return bool(self._policy()) or any(rule.states for rule in found)

    # -- filtering

    def _filter(self) -> Iterator[str]:
        if at(self._tree, "zone-policy"):
            raise unmodelled("zone-policy")
        yield from (f":{name} ACCEPT [0:0]" for name in ("INPUT", "FORWARD", "OUTPUT"))
        policy = [*self._policy()]
        hooks = [*([_POLICY] if policy else []), *(hook for *_, hook in _HOOKS), _POST]
        yield from (f":{name} - [0:0]" for name in (*hooks, *self._rulesets))
        yield from (f"-A FORWARD -j {name}" for name in hooks)
        yield from policy
        for way, option, hook in _HOOKS:
            yield from self._attached(way, option, hook)
        yield f"-A {_POST} -j ACCEPT"
        for name, node in self._rulesets.items():
            yield from self._ruleset(name, node)

    def _policy(self) -> tuple[str, ...]:
        stated = at(self._tree, "firewall", "state-policy")
        return tuple(
            f"-A {_POLICY} -m state --state {state.upper()} -j "
            f"{_POLICIES[leaf(stated, state, 'action')]}"
            for state in _POLICY_STATES
            if leaf(stated, state, "action") in _POLICIES
        )

    def _attached(self, way: str, option: str, hook: str) -> Iterator[str]:
        for name, node in interfaces(self._tree):
            there = leaf(node, "firewall", way, self._key)
            if there and there not in self._rulesets:
                raise unmodelled(f"{name} firewall {way} {there}, which is not there")
            if there:
                yield f"-A {hook} {option} {name} -j {there}"

    def _ruleset(self, name: str, node: Tree) -> Iterator[str]:
        for rule in rules(node):
            if rule.action not in _TARGETS:
                raise unmodelled(f"rule {rule.number} action {rule.action}")
            if rule.incoming or rule.outgoing:
                raise unmodelled(f"rule {rule.number} interface, in a ruleset")
            for asked in self._asked(rule):
                if rule.log:
                    yield f"-A {name}{asked} -j LOG"
                yield f"-A {name}{asked} -j {_TARGETS[rule.action]}"
        default = leaf(node, "default-action") or "drop"
        if default not in _TARGETS:
            raise unmodelled(f"{name} default-action {default}")
        yield f"-A {name} -j {_TARGETS[default]}"

    # -- NAT

    def _translating(self) -> Iterator[str]:
        hooks = ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")
        yield from (f":{name} ACCEPT [0:0]" for name in hooks)
        for one in self._nat:
            yield from self._translation(one)

    def _translation(self, one: Translation) -> Iterator[str]:
        hook = "PREROUTING" if one.destination else "POSTROUTING"
        done = f"DNAT --to-destination {one.to}" if one.destination else "MASQUERADE"
        links = one.rule.incoming if one.destination else one.rule.outgoing
        option = "-i" if one.destination else "-o"
        if any(link.group or link.inverted for link in links):
            raise unmodelled(f"nat rule {one.rule.number} with a group of interfaces")
        link = "".join(f" {option} {link.value}" for link in links if link.value != "any")
        for asked in self._asked(one.rule):
            yield f"-A {hook}{link}{asked} -j {done}"

    # -- one rule

    def _asked(self, rule: Rule) -> Iterator[str]:
        """Give the matches: a rule for each pair of networks stands for sets of networks."""
        sides = [self._addresses(rule.source, "-s"), self._addresses(rule.destination, "-d")]
        for *ends, packet in product(*sides, self._packets(rule)):
            yield "".join([*ends, packet])

    def _addresses(self, end: End, option: str) -> list[str]:
        found = [""]
        for one in end.addresses:
            members = self._members(one)
            if one.inverted and len(members) > 1:
                raise unmodelled(f"group !{one.value}, of several members")
            said = [f"{'! ' if one.inverted else ''}{option} {member}" for member in members]
            found = [f"{before} {each}" for before, each in product(found, said)]
        return found

    def _members(self, one: Term) -> Sequence[str]:
        if not one.group:
            if "-" in one.value:
                raise unmodelled(f"address {one.value}")
            return [one.value]
        kind = one.group if self._four else f"ipv6-{one.group}"
        word = one.group.partition("-")[0]
        held = at(self._tree, "firewall", "group", kind, one.value)
        # EdgeOS: the members of an IPv6 group have a name of their own
        members = [*at(held, word), *at(held, f"ipv6-{word}")]
        if not held or any("-" in member for member in members):
            raise unmodelled(f"group {kind} {one.value}")
        return members

    def _packets(self, rule: Rule) -> Iterator[str]:
        state = f" -m state --state {','.join(rule.states).upper()}" if rule.states else ""
        if rule.protocol is None:
            yield state
            return
        stated = rule.protocol.value
        if self._passes_over and stated in ("51", "ah"):
            if rule.protocol.inverted:
                yield state
            return
        sign = " !" if rule.protocol.inverted else ""
        for name in ("tcp", "udp") if stated == "tcp_udp" else (stated,):
            yield f"{sign} -p {name}{self._ports(rule, _MODULES.get(name, name))}{state}"

    def _ports(self, rule: Rule, module: str) -> str:
        sides = [(rule.source, "s"), (rule.destination, "d")]
        found = [(letter, one) for end, letter in sides for one in end.ports]
        return "".join(_port(letter, one, module) for letter, one in found)


def _port(letter: str, one: Term, module: str) -> str:
    if one.group:
        raise unmodelled(f"port group {one.value}")
    sign = "! " if one.inverted else ""
    listed = one.value.replace("-", ":")
    room = len(listed.replace(":", ",").split(","))
    if room == 1:
        return f" -m {module} {sign}--{letter}port {listed}"
    if room > _MOST_PORTS:
        raise unmodelled(f"port {one.value}, which the router refuses: {_MOST_PORTS} at most")
    return f" -m multiport {sign}--{letter}ports {listed}"


def _table(name: str, lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in (f"*{name}", *lines, "COMMIT"))
