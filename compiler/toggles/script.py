"""Rules in a router's own firewall script: what its switches cannot say, in a chain of ours.

Our lines stand between two marker lines at the top of the script (right below a ``#!`` line), so
that an ``exit`` further down does not keep them from running. The chain is entered before
established traffic is accepted: a block cuts running tunnels. Everything outside the markers
belongs to the user and stays byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from compiler.errors import NativeError
from compiler.model.effect import Direction, Probe
from compiler.model.finding import Code
from compiler.model.protocol import (
    BOTH_FAMILIES,
    TCP,
    UDP,
    Family,
    PortRange,
    layer4_name,
)

BEGIN = "# >>> passthru"
END = "# <<< passthru"
CHAIN = "PASSTHRU"
#: From any LAN bridge (br0, br1, guest bridges) to anything that is none: every WAN, of both
#: address families, whatever its name.
BRIDGES = "-i br+ ! -o br+"

_TOOLS = {Family.IPV4: "iptables", Family.IPV6: "ip6tables"}
_NAMES = {"tcp": TCP, "udp": UDP}
_RULE = re.compile(
    rf"(iptables|ip6tables) -A {CHAIN} -p (?:(tcp|udp) --dport (\d+)(?::(\d+))?|(\d+)) -j DROP"
)


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """A dropped kind of packet from LAN to WAN; ``ports`` of ``None`` means all of them."""

    family: Family
    layer4: int
    ports: PortRange | None = None

    def covers(self, probe: Probe) -> bool:
        """Tell whether the rule drops the probe's packet."""
        return (
            probe.direction is Direction.OUT
            and probe.family is self.family
            and probe.flow.layer4 == self.layer4
            and (self.ports is None or probe.port in self.ports)
        )

    def __str__(self) -> str:
        """Give ``ip6tables udp/500``."""
        name = layer4_name(self.layer4)
        return (
            f"{_TOOLS[self.family]} {name}/{self.ports}"
            if self.ports
            else (f"{_TOOLS[self.family]} {name}")
        )

    @property
    def line(self) -> str:
        """The command that adds the rule."""
        return f"{_TOOLS[self.family]} -A {CHAIN} {self._match} -j DROP"

    @property
    def _match(self) -> str:
        if self.ports is None:
            return f"-p {self.layer4}"
        first, last = self.ports.first, self.ports.last
        ports = str(first) if first == last else f"{first}:{last}"
        return f"-p {layer4_name(self.layer4)} --dport {ports}"


def sort_key(rule: Rule) -> tuple[str, int, int, int]:
    """Order rules by family, protocol and ports."""
    ports = rule.ports or PortRange(0, 0)
    return (rule.family.value, rule.layer4, ports.first, ports.last)


def block(rules: Iterable[Rule], way: str = BRIDGES) -> list[str]:
    """Give our lines, markers included; none without rules. ``way``: what enters our chain."""
    ordered = sorted(rules, key=sort_key)
    if not ordered:
        return []
    lines = [BEGIN]
    for family in Family:
        own = [rule.line for rule in ordered if rule.family is family]
        if own:
            lines += [*_entry(_TOOLS[family], way), *own]
    return [*lines, END]


def _entry(tool: str, way: str) -> Iterator[str]:
    yield f"{tool} -N {CHAIN} 2>/dev/null"
    yield f"{tool} -F {CHAIN}"
    yield f"{tool} -D FORWARD {way} -j {CHAIN} 2>/dev/null"
    yield f"{tool} -I FORWARD 1 {way} -j {CHAIN}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a family keeps the script.

    ``name`` is the path of a file or the name of an nvram key. ``shebang``: the script must
    begin with a ``#!`` line to be run. ``enabled`` is the key and value without which the
    router does not run it. ``way`` is the match of what enters our chain, ``families`` are those
    whose rules the router leaves alone after the script. ``cuts``: nothing forwards a running
    tunnel past the rules.
    """

    name: str
    shebang: bool = False
    enabled: tuple[str, str] | None = None
    way: str = BRIDGES
    families: frozenset[Family] = BOTH_FAMILIES
    cuts: bool = True

    @property
    def mark(self) -> str:
        """The line of a native text after which the script follows."""
        return f"@{self.name}"

    @property
    def file_name(self) -> str:
        """The name of the script's own file in a bundle."""
        return self.name.rpartition("/")[2]

    def script(self, rules: Iterable[Rule]) -> str:
        """Print a script that holds nothing but our lines."""
        return self.merge("#!/bin/sh\n" if self.shebang else "", rules)

    def merge(self, text: str, rules: Iterable[Rule]) -> str:
        """Put our lines at the top of a script, in place of those that are there.

        Raises:
            NativeError: the script lacks a ``#!`` line that it needs, or our markers in it
                are damaged.
        """
        if self.shebang and not (text.startswith("#!") and "\n" in text):
            raise NativeError.of(
                Code.T407,
                f"{self.name} does not begin with a #! line, so the router would not run it",
                hint="write #!/bin/sh as its first line",
            )
        before, _, after = self._parts(text)
        rest, first = before + after, ""
        if rest.startswith("#!"):
            first, _, rest = rest.partition("\n")
            first += "\n"
        return first + "".join(f"{line}\n" for line in block(rules, self.way)) + rest

    def parse(self, text: str) -> tuple[Rule, ...]:
        """Read our rules from a script.

        Raises:
            NativeError: our markers are damaged, or somebody wrote between them.
        """
        _, own, _ = self._parts(text)
        rules = [_rule(line) for line in own]
        found = tuple(sorted({rule for rule in rules if rule}, key=sort_key))
        if own != block(found, self.way)[1:-1]:
            raise NativeError.of(
                Code.T407,
                f"the passthru lines in {self.name} were edited",
                hint=f"move own rules below the line '{END}'",
            )
        return found

    def without_ours(self, text: str) -> str:
        """Give a script without our lines, and without the line that says what runs it."""
        before, _, after = self._parts(text)
        rest = before + after
        return rest.partition("\n")[2] if rest.startswith("#!") else rest

    def _parts(self, text: str) -> tuple[str, list[str], str]:
        """Split into the text before our lines, our lines without markers, and the text after."""
        lines = text.split("\n")
        begins = [i for i, line in enumerate(lines) if line == BEGIN]
        ends = [i for i, line in enumerate(lines) if line == END]
        if not begins and not ends:
            return text, [], ""
        if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
            raise NativeError.of(
                Code.T407,
                f"the passthru markers in {self.name} are damaged",
                hint=f"remove the lines '{BEGIN}' and '{END}' and what stands between them",
            )
        before, after = lines[: begins[0]], lines[ends[0] + 1 :]
        own = lines[begins[0] + 1 : ends[0]]
        return "".join(f"{line}\n" for line in before), own, "\n".join(after)


def _rule(line: str) -> Rule | None:
    match = _RULE.fullmatch(line)
    if match is None:
        return None
    tool, name, first, last, number = match.groups()
    family = Family.IPV4 if tool == "iptables" else Family.IPV6
    if name is None:
        return Rule(family, int(number))
    return Rule(family, _NAMES[name], PortRange(int(first), int(last or first)))
