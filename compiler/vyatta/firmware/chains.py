"""A forward filter with chains as nftables: VyOS 1.4 and later.

Three tables as VyOS names them: the filter, connection tracking, and NAT. Nothing is tracked
unless NAT, a state policy or a rule with a state asks for it, and only then helpers are assigned.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.model.protocol import Family
from compiler.vyatta.firmware.nat import Translation, translations
from compiler.vyatta.firmware.words import Rule, Term, rules, unmodelled
from compiler.vyatta.tree import Tree, at, leaf

_ACTIONS = ("accept", "drop", "reject", "return")
_POLICY_STATES = ("established", "invalid", "related")
#: Each kind of group: how the names of its sets begin, the word for a member, and its type; the
#: type of addresses follows from the address family.
_SETS = {
    "address-group": ("A", "address", ""),
    "network-group": ("N", "network", ""),
    "port-group": ("P", "port", "inet_service"),
    "interface-group": ("I", "interface", "ifname"),
}
_HELPER = ("system", "conntrack", "modules", "pptp")


class Chains:
    """The rules of one address family."""

    def __init__(self, tree: Tree, family: Family) -> None:
        """Take a whole config."""
        self._tree = tree
        self._four = family is Family.IPV4
        self._ip, self._six = ("ip", "") if self._four else ("ip6", "6")
        self._firewall = at(tree, "firewall", str(family))
        self._nat = translations(tree) if self._four else ()

    def text(self) -> str:
        """Print all tables.

        Raises:
            TargetError: T406, the config has what is not modelled.
        """
        tables = [("vyos_filter", self._filter()), ("vyos_conntrack", self._tracking())]
        if self._nat:
            tables.append(("vyos_nat", self._translating()))
        return "".join(self._table(name, lines) for name, lines in tables)

    def _table(self, name: str, lines: Iterator[str]) -> str:
        begin = f"table {self._ip} {name}\ndelete table {self._ip} {name}\n"
        body = "".join(f"\t{line}\n" for line in lines)
        return f"{begin}table {self._ip} {name} {{\n{body}}}\n"

    # -- filtering

    def _filter(self) -> Iterator[str]:
        if at(self._tree, "firewall", "zone"):
            raise unmodelled("firewall zone")
        names = at(self._firewall, "name")
        yield from self._sets()
        policy = [*self._policy()]
        if policy:
            yield from _chain(f"VYOS_STATE_POLICY{self._six}", policy)
        for name, node in names.items():
            yield from _chain(f"NAME{self._six}_{name}", self._rules(node, "drop"))
        forward = at(self._firewall, "forward", "filter")
        jump = [f"jump VYOS_STATE_POLICY{self._six}"] if policy else []
        body = [*jump, *self._rules(forward, "accept")]
        hook = "type filter hook forward priority filter; policy accept;"
        yield from _chain("VYOS_FORWARD_filter", [hook, *body])

    def _policy(self) -> Iterator[str]:
        stated = at(self._tree, "firewall", "global-options", "state-policy")
        for state in _POLICY_STATES:
            action = leaf(stated, state, "action")
            if action:
                yield f"ct state {state} {action}"

    def _rules(self, node: Tree, default: str) -> Iterator[str]:
        for rule in rules(node):
            log = " log" if rule.log else ""
            yield f"{self._asked(rule)}{log} {self._done(rule.action, rule.jump)}".lstrip()
        action = leaf(node, "default-action") or default
        yield self._done(action, leaf(node, "default-jump-target"))

    def _done(self, action: str, jump: str) -> str:
        if action == "jump":
            if jump not in at(self._firewall, "name"):
                raise unmodelled(f"jump-target {jump}, which is not there")
            return f"jump NAME{self._six}_{jump}"
        if action not in _ACTIONS:
            raise unmodelled(f"action {action}")
        return action

    # -- one rule

    def _asked(self, rule: Rule) -> str:
        found = [*([f"ct state {{ {', '.join(rule.states)} }}"] if rule.states else [])]
        if rule.protocol is not None:
            name = rule.protocol.value
            listed = "{ tcp, udp }" if name == "tcp_udp" else name
            found.append(f"meta l4proto {_sign(rule.protocol)}{listed}")
        for end, letter in ((rule.destination, "d"), (rule.source, "s")):
            found += [f"{self._ip} {letter}addr {self._value(one)}" for one in end.addresses]
            found += [f"{_port_of(rule)} {letter}port {self._value(one)}" for one in end.ports]
        found += [f"iifname {self._value(one, quoted=True)}" for one in rule.incoming]
        found += [f"oifname {self._value(one, quoted=True)}" for one in rule.outgoing]
        return " ".join(found)

    def _value(self, one: Term, *, quoted: bool = False) -> str:
        if one.group:
            if one.value not in self._groups(one.group):
                raise unmodelled(f"group {one.group} {one.value}, which is not there")
            return f"{_sign(one)}@{self._set_name(one.group, one.value)}"
        return f"{_sign(one)}{{ {_quoted(one.value) if quoted else one.value} }}"

    # -- groups

    def _groups(self, kind: str) -> Tree:
        with_family = kind in ("address-group", "network-group") and not self._four
        return at(self._tree, "firewall", "group", f"ipv6-{kind}" if with_family else kind)

    def _set_name(self, kind: str, name: str) -> str:
        begin, _, type_ = _SETS[kind]
        return f"{begin}{'' if type_ else self._six}_{name}"

    def _sets(self) -> Iterator[str]:
        for kind, (_, word, type_) in _SETS.items():
            for name, node in self._groups(kind).items():
                members = [_quoted(one) if word == "interface" else one for one in at(node, word)]
                elements = [f"elements = {{ {', '.join(members)} }}"] if members else []
                address = "ipv4_addr" if self._four else "ipv6_addr"
                told = [f"type {type_ or address}", "flags interval", "auto-merge", *elements]
                yield f"set {self._set_name(kind, name)} {{ {'; '.join(told)}; }}"

    # -- tracking

    def _tracking(self) -> Iterator[str]:
        helped = self._four and "pptp" in at(self._tree, *_HELPER[:-1])
        tracked = bool(self._nat) or self._stateful()
        if helped:
            yield 'ct helper pptp_tcp { type "pptp" protocol tcp; }'
        for hook in ("prerouting", "output"):
            begin = f"type filter hook {hook} priority"
            body = [f"{begin} -300; policy accept;", "accept" if tracked else "notrack"]
            yield from _chain(hook.upper(), body)
            if tracked and helped:
                assign = 'tcp dport 1723 ct helper set "pptp_tcp"'
                yield from _chain(f"{hook.upper()}_HELPER", [f"{begin} -5; policy accept;", assign])

    def _stateful(self) -> bool:
        if at(self._tree, "firewall", "global-options", "state-policy"):
            return True
        chains = [at(self._firewall, "forward", "filter"), *at(self._firewall, "name").values()]
        return any(rule.states for chain in chains for rule in rules(chain))

    # -- NAT

    def _translating(self) -> Iterator[str]:
        yield from self._sets()
        for hook, priority, wanted in (("prerouting", -100, True), ("postrouting", 100, False)):
            begin = f"type nat hook {hook} priority {priority}; policy accept;"
            found = [self._translation(one) for one in self._nat if one.destination is wanted]
            yield from _chain(hook.upper(), [begin, *found])

    def _translation(self, one: Translation) -> str:
        return f"{self._asked(one.rule)} {f'dnat to {one.to}' if one.destination else one.to}"


def _sign(one: Term) -> str:
    return "!= " if one.inverted else ""


def _quoted(name: str) -> str:
    return f'"{name}"'


def _port_of(rule: Rule) -> str:
    name = rule.protocol.value if rule.protocol else ""
    if name.isdecimal() or (rule.protocol and rule.protocol.inverted):
        raise unmodelled(f"rule {rule.number} port of protocol {name}, which the router refuses")
    return "th" if name == "tcp_udp" else name


def _chain(name: str, lines: Iterator[str] | list[str]) -> Iterator[str]:
    yield f"chain {name} {{"
    yield from (f"\t{line}" for line in lines)
    yield "}"
