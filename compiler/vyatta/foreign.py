"""Compile the firewall of a whole config, whoever wrote it, to rules that packets are sent through.

EdgeOS and VyOS up to 1.3 put rulesets on interfaces: what comes in meets the ruleset ``in`` of its
interface, what goes out the ruleset ``out``, and accepting in one does not end the other. VyOS from
1.4 has a forward chain in which the first match decides. A rule is put into the words of iptables,
which the evaluator reads; what it does not know is a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.evaluate import Ruleset, lookups
from compiler.evaluate.iptables.matches import matches
from compiler.evaluate.iptables.options import Group, Option
from compiler.evaluate.iptables.targets import target
from compiler.evaluate.mentions import networks_in
from compiler.evaluate.ruleset import Chain, Hook, Kind, Move, Rule, Statement
from compiler.evaluate.statements import End, Match, Perhaps, opaque
from compiler.evaluate.value import Span, Truth, address_span, name_span, negated, some
from compiler.evaluate.way import Way
from compiler.vyatta.tree import Tree, at, interfaces, leaf

_SILENT = frozenset({"action", "description", "log", "disable", "jump-target", "log-options"})
_KEYS = {"ip": ("name", "ipv4"), "ip6": ("ipv6-name", "ipv6")}
_STATES = ("new", "established", "related", "invalid")


def ruleset(tree: Tree, text: str) -> Ruleset:
    """Give the rules of a config."""
    chains: dict[tuple[str, str, str], Chain] = {}
    for family in ("ip", "ip6"):
        found = _Family(tree, family).chains()
        chains |= {(family, "filter", c.name): c for c in found}
    nat = _nat(tree)
    if nat:
        hook = Hook("nat", "postrouting", 100)
        chains["ip", "nat", "source"] = Chain("ip", "nat", "source", tuple(nat), hook)
    sent = tuple(_destination(tree))
    if sent:
        hook = Hook("nat", "prerouting", -100)
        chains["ip", "nat", "destination"] = Chain("ip", "nat", "destination", sent, hook)
    offloads = bool(at(tree, "system", "offload") or "flowtable" in at(tree, "firewall"))
    used = ("address", "firewall", "pppoe", "bridge-group", "ipv6")
    links = frozenset(
        name
        for name, node in interfaces(tree)
        if name.startswith("pppoe") or any(word in node for word in used)
    )
    return Ruleset(chains, offloads=offloads, links=links, networks=frozenset(networks_in(text)))


def _destination(tree: Tree) -> Iterator[Rule]:
    """Give a doubt for each interface at which destination NAT takes packets in."""
    old = at(tree, "service", "nat", "rule").values()
    rules = [rule for rule in old if leaf(rule, "type") == "destination"]
    rules += at(tree, "nat", "destination", "rule").values()
    links = {_inbound(rule) for rule in rules if "disable" not in rule}
    if at(tree, "port-forward", "rule"):
        links.add(leaf(tree, "port-forward", "wan-interface"))
    for link in sorted(links):
        asked = matches([Group("", (Option("-i", (link,)),))], "ip") if link else ()
        text = f"destination NAT {link}".strip()
        doubt = Perhaps("destination NAT is not looked at")
        unread = opaque("what destination NAT does is not understood")
        yield Rule("", text, (*asked, doubt, unread))


def _inbound(rule: Tree) -> str:
    """Give the interface of a rule; nothing where it may be any."""
    node = at(rule, "inbound-interface")
    name = leaf(node, "name") or leaf(node, "interface-name") or leaf(node)
    odd = name in ("any", "group") or name.startswith("!") or "*" in name
    return "" if odd else name


def _nat(tree: Tree) -> list[Rule]:
    old = at(tree, "service", "nat", "rule")
    new = at(tree, "nat", "source", "rule")
    rules: list[Rule] = []
    for number in sorted({**old, **new}, key=_number):
        rule = {**at(old, number), **at(new, number)}
        kind = leaf(rule, "type")
        if "disable" in rule or kind == "destination":
            continue
        oif = leaf(rule, "outbound-interface", "name") or leaf(rule, "outbound-interface")
        asked: list[Statement] = []
        if "group" in at(rule, "outbound-interface"):
            asked.append(Perhaps(f"NAT rule {number}: its interface group is not looked at"))
        elif oif:
            asked += matches([Group("", (Option("-o", (oif,)),))], "ip")
        plain = {"type", "outbound-interface", "description", "log", "translation", "protocol"}
        odd = sorted(set(rule) - plain - ({"source"} if _plain_source(rule) else set()))
        if _plain_source(rule):
            address = leaf(rule, "source", "address")
            asked += matches([Group("", (Option("-s", (address,)),))], "ip")
        asked += [Perhaps(f"NAT rule {number}: {word} is not looked at") for word in odd]
        if leaf(rule, "protocol") not in ("", "all"):
            asked.append(Perhaps(f"NAT rule {number}: protocol is not looked at"))
        done = target(Group("MASQUERADE"), "ip", frozenset())
        rules.append(Rule(f"rule {number}", f"nat rule {number}", (*asked, *done)))
    return rules


def _plain_source(rule: Tree) -> bool:
    address = leaf(rule, "source", "address")
    return bool(address) and set(at(rule, "source")) == {"address"} and address[0].isdigit()


def _number(word: str) -> tuple[int, str]:
    return (int(word), "") if word.isdecimal() else (1 << 31, word)


@dataclass(frozen=True, slots=True)
class _Family:
    tree: Tree
    family: str
    names: Mapping[str, Tree] = field(default_factory=dict)

    def chains(self) -> list[Chain]:
        old, new = _KEYS[self.family]
        firewall = at(self.tree, "firewall")
        modern = bool(
            at(firewall, "ipv4") or at(firewall, "ipv6") or at(firewall, "global-options")
        )
        named = at(firewall, new, "name") if modern else at(firewall, old)
        final = Kind.ACCEPT if modern else Kind.RETURN
        chains = [self._chain(name, node, final, frozenset(named)) for name, node in named.items()]
        hook = Hook("filter", "forward", 0)
        base = [*self._doubts(), *self._policies(modern=modern)]
        if modern:
            node = at(firewall, new, "forward", "filter")
            body = self._chain("forward", node, Kind.ACCEPT, frozenset(named))
            rules = (*base, *body.rules)
        else:
            rules = (*base, *self._attached(old, frozenset(named)))
        return [*chains, Chain(self.family, "filter", "forward", rules, hook)]

    def _doubts(self) -> Iterator[Rule]:
        """Give rules of unknown end for what of a firewall is not read."""
        for words in (("zone-policy",), ("firewall", "zone")):
            if at(self.tree, *words):
                reason = f"{' '.join(words)} decides, which is not understood"
                yield Rule("", " ".join(words), (opaque(reason),))
        for name, node in interfaces(self.tree):
            if leaf(node, "firewall", "in", "modify"):
                text = f"modify on {name}"
                yield Rule("", text, (Perhaps(f"{text} is not understood"), opaque(text)))

    def _policies(self, *, modern: bool) -> Iterator[Rule]:
        words = ("global-options", "state-policy") if modern else ("state-policy",)
        for state, node in at(self.tree, "firewall", *words).items():
            action = leaf(node, "action")
            if action in ("accept", "drop", "reject"):
                group = Group("conntrack", (Option("--ctstate", (state.upper(),)),))
                done = End(Move(Kind(action)))
                text = f"state-policy {state} action {action}"
                yield Rule("", text, (*matches([group], self.family), done))

    def _attached(self, key: str, names: frozenset[str]) -> Iterator[Rule]:
        for way, option in (("in", "-i"), ("out", "-o")):
            for name, node in interfaces(self.tree):
                there = leaf(node, "firewall", way, key)
                if not there:
                    continue
                group = Group("", (Option(option, (name,)),))
                known = there in names
                done = End(Move(Kind.JUMP, there)) if known else opaque(f"there is no {there}")
                text = f"{name} firewall {way} {there}"
                yield Rule("", text, (*matches([group], self.family), done))

    def _chain(self, name: str, node: Tree, final: Kind, names: frozenset[str]) -> Chain:
        rules = [
            self._rule(number, rule, final, names)
            for number, rule in sorted(at(node, "rule").items(), key=lambda pair: _number(pair[0]))
            if "disable" not in rule
        ]
        base = final is Kind.ACCEPT and name == "forward"
        default = leaf(node, "default-action") or ("accept" if base else "drop")
        rules.append(
            Rule("", f"default-action {default}", (self._done(default, node, final, names),))
        )
        return Chain(self.family, "filter", name, tuple(rules))

    def _rule(self, number: str, rule: Tree, final: Kind, names: frozenset[str]) -> Rule:
        # what a packet is comes first: of GRE nobody needs to wonder which ports it has
        words = sorted(rule, key=lambda word: word != "protocol")
        asked = [one for word in words for one in self._match(word, rule[word], rule)]
        done = self._done(leaf(rule, "action"), rule, final, names)
        said = leaf(rule, "description")
        return Rule(f"rule {number}", f"{leaf(rule, 'action')} {said}".strip(), (*asked, done))

    def _done(self, action: str, node: Tree, final: Kind, names: frozenset[str]) -> Statement:
        if action == "accept":
            return End(Move(final))
        if action in ("drop", "reject", "return"):
            return End(Move(Kind(action)))
        if action == "jump":
            there = leaf(node, "jump-target") or leaf(node, "default-jump-target")
            if there in names:
                return End(Move(Kind.JUMP, there))
        return opaque(f"the action '{action}' is not understood")

    def _match(self, word: str, node: Tree, rule: Tree) -> Iterator[Statement]:
        if word in _SILENT:
            return
        if word == "protocol":
            yield from self._protocol(leaf(rule, "protocol"))
        elif word == "state":
            yield from self._states(node)
        elif word in ("source", "destination"):
            for key, inner in node.items():
                yield from self._end(word, key, inner, rule)
        elif word in ("inbound-interface", "outbound-interface"):
            yield from self._link(word, node)
        else:
            yield Perhaps(f"{word} is not understood")

    def _protocol(self, word: str) -> Iterator[Statement]:
        inverted, plain = word.startswith("!"), word.removeprefix("!")
        if plain == "tcp_udp":
            spans = [Span.of(6), Span.of(17)]

            def test(way: Way) -> Truth:
                inside = some(span.holds(lookups.layer4(way)) for span in spans)
                return negated(inside) if inverted else inside

            yield Match(test)
        elif plain != "all":
            yield from matches([Group("", (Option("-p", (plain,), inverted),))], self.family)

    def _states(self, node: Tree) -> Iterator[Statement]:
        wanted = [s for s in _STATES if s in node and leaf(node, s) != "disable"]
        odd = [word for word in node if word not in _STATES]
        if odd or not wanted:
            yield Perhaps(f"state {' '.join(node)} is not understood")
            return
        option = Option("--ctstate", (",".join(wanted).upper(),))
        yield from matches([Group("conntrack", (option,))], self.family)

    def _link(self, word: str, node: Tree) -> Iterator[Statement]:
        if set(node) == {"group"}:
            yield self._link_group(word, leaf(node, "group"))
            return
        name = leaf(node, "name") or leaf(node, "interface-name")
        if not name or set(node) - {"name", "interface-name"}:
            yield Perhaps(f"{word} {' '.join(node)} is not understood")
            return
        inverted, plain = name.startswith("!"), name.removeprefix("!").replace("*", "+")
        option = Option("-i" if word.startswith("in") else "-o", (plain,), inverted)
        yield from matches([Group("", (option,))], self.family)

    def _link_group(self, word: str, name: str) -> Statement:
        inverted, plain = name.startswith("!"), name.removeprefix("!")
        held = at(self.tree, "firewall", "group", "interface-group", plain, "interface")
        if not held:
            return Perhaps(f"the config does not say what the interface group {plain} holds")
        spans = [name_span(link) for link in held]
        incoming = word.startswith("in")

        def test(way: Way) -> Truth:
            value = way.interface(incoming=incoming)
            inside = some(span.holds(value) for span in spans)
            return negated(inside) if inverted else inside

        return Match(test)

    def _end(self, side: str, key: str, node: Tree, rule: Tree) -> Iterator[Statement]:
        value = next(iter(node), "")
        if key == "address" and value:
            yield self._spans(side, [value.removeprefix("!")], inverted=value.startswith("!"))
        elif key == "port" and value:
            yield from self._port(side, value, rule)
        elif key == "group":
            for kind, inner in node.items():
                yield from self._group(side, kind, next(iter(inner), ""), rule)
        else:
            yield Perhaps(f"{side} {key} is not understood")

    def _port(self, side: str, value: str, rule: Tree) -> Iterator[Statement]:
        inverted, plain = value.startswith("!"), value.removeprefix("!").replace("-", ":")
        if leaf(rule, "protocol") not in ("tcp", "udp", "tcp_udp", "6", "17"):
            yield Perhaps(f"{side} port without a protocol is not understood")
            return
        option = Option("--sports" if side == "source" else "--dports", (plain,), inverted)
        yield from matches([Group("multiport", (option,))], self.family)

    def _group(self, side: str, kind: str, name: str, rule: Tree) -> Iterator[Statement]:
        inverted, plain = name.startswith("!"), name.removeprefix("!")
        held = at(self.tree, "firewall", "group", kind, plain)
        if self.family == "ip6" and kind in ("address-group", "network-group"):
            # rules of 1.4 name both kinds alike; which of them is meant follows from the family
            held = at(self.tree, "firewall", "group", f"ipv6-{kind}", plain)
        if kind == "port-group" and at(held, "port"):
            ports = ("!" if inverted else "") + ",".join(at(held, "port"))
            yield from self._port(side, ports, rule)
            return
        words = [word for key in ("address", "network") for word in at(held, key)]
        if kind in ("address-group", "network-group", "ipv6-network-group") and words:
            yield self._spans(side, words, inverted=inverted)
            return
        yield Perhaps(f"{side} group {kind} {plain} is not understood")

    def _spans(self, side: str, texts: Sequence[str], *, inverted: bool) -> Statement:
        spans = [address_span(text) for text in texts]
        if None in spans:
            return Perhaps(f"{side} address {texts[0]} is not understood")

        def test(way: Way) -> Truth:
            value = lookups.address(way, destination=side == "destination")
            if value is None:
                return False
            inside = some(span.holds(value) for span in spans if span)
            return negated(inside) if inverted else inside

        return Match(test)
