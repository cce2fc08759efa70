"""ACME Plainbox: a file with lines such as ``drop ipv4 udp 500-510``, and nothing else to it.

Shows a target that uses none of the shared machinery. The router can drop a port or a protocol for
everybody; whatever a policy limits to zones or networks is left open, and so reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.example import typical
from compiler.model.finding import Code, Finding
from compiler.model.intent import Action, Intent
from compiler.model.protocol import Family, PortRange
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, Capabilities, File, Procedure

BEGIN, END = "# passthru begins\n", "# passthru ends\n"
_NATIVE = "plainbox.conf"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """Drop a layer-4 protocol, or some of its ports, in one address family."""

    family: str
    layer4: int
    first: int = 0
    last: int = 0

    def covers(self, probe: Probe) -> bool:
        """Tell whether the rule drops the probe's packet."""
        same = (self.family, self.layer4) == (str(probe.family), probe.flow.layer4)
        return same and self.first <= probe.port <= self.last


class Plainbox:
    """See ``compiler.model.target.Target``; the settings are a sorted tuple of rules."""

    name = "plainbox"
    summary = "ACME Plainbox: a list of what is dropped"
    capabilities = Capabilities(
        reads=True,
        writes=True,
        pushes="ssh",
        rolls_back="no",
        helper="none",
        ipv6="rules for both families",
        running_tunnels="cut",
    )

    def examples(self) -> Sequence[Device]:
        """Give the one kind there is."""
        return [typical("plainbox", self.name)]

    def check(self, device: Device) -> Sequence[Finding]:
        """Find a router without a side."""
        if device.lan_zones and device.wan_zones:
            return []
        text = "a Plainbox needs a lan and a wan zone"
        return [Finding(Code.T404, text, place=device.place, host=device.name)]

    def options(self) -> Mapping[str, str]:
        """Read one fact."""
        return {"facts.ipv6": "whether the router forwards IPv6"}

    def settings(self, intent: Intent, device: Device) -> tuple[Rule, ...]:
        """Drop what is to be dropped for everybody."""
        del device
        return tuple(sorted(set(_rules(intent))))

    def render(self, settings: tuple[Rule, ...], device: Device) -> Bundle:
        """Print one file."""
        text = self.merge(settings, "", device)
        return Bundle((File(_NATIVE, text.encode()),), _NATIVE)

    def parse(self, native: str, device: Device) -> tuple[Rule, ...]:
        """Read the lines between the marks."""
        del device
        _, begun, rest = native.partition(BEGIN)
        block, ended, _ = rest.partition(END)
        if begun and not ended:
            raise NativeError.of(Code.T407, "the text ends in the middle of our block")
        return tuple(_rule(line) for line in block.splitlines())

    def merge(self, settings: tuple[Rule, ...], native: str, device: Device) -> str:
        """Replace the block between the marks, or put one at the end; none for no rules."""
        self.parse(native, device)
        head, _, rest = native.partition(BEGIN)
        tail = rest.partition(END)[2]
        lines = "".join(f"drop {r.family} {r.layer4} {r.first}-{r.last}\n" for r in settings)
        return f"{head}{BEGIN}{lines}{END}{tail}" if settings else head + tail

    def effects(
        self, settings: tuple[Rule, ...], device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Look every probe up."""
        del device
        return tuple(_effect(settings, probe) for probe in probes)

    def procedure(self, settings: tuple[Rule, ...], device: Device) -> Procedure:
        """Copy the file and have it read."""
        del settings, device
        read = Step(StepName.READ, "prints the file", "cat /etc/plainbox.conf")
        load = f"cp ./{_NATIVE} /etc/plainbox.conf && plainbox reload"
        return Procedure("ssh", (read, Step(StepName.APPLY, "puts the file in place", load)))

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say nothing more."""
        del intent, device
        return []


def _rules(intent: Intent) -> Iterator[Rule]:
    for decision in intent.decisions:
        if decision.action is not Action.BLOCK or not decision.limits.everywhere:
            continue
        for flow in decision.flows:
            for family in Family:
                for ports in flow.ports or (PortRange(0, 0),):
                    yield Rule(str(family), flow.layer4, ports.first, ports.last)


def _rule(line: str) -> Rule:
    try:
        word, family, layer4, ports = line.split(" ")
        first, last = ports.split("-")
        found = Rule(str(Family(family)), int(layer4), int(first), int(last))
    except ValueError:
        found, word = Rule("", 0), ""
    if word != "drop":
        raise NativeError.of(Code.T407, f"not a line of ours: {line[:60]!a}")
    return found


def _effect(settings: tuple[Rule, ...], probe: Probe) -> Effect:
    if probe.direction is Direction.IN:
        return Effect(probe, Verdict.UNKNOWN, "a Plainbox does not tell what it lets in")
    rule = next((rule for rule in settings if rule.covers(probe)), None)
    if rule is not None:
        return Effect(probe, Verdict.DROP, str(rule))
    helper = HelperState.ABSENT if probe.flow.helper else HelperState.NOT_NEEDED
    return Effect(probe, Verdict.PASS, "no rule drops it", helper)


TARGET = Plainbox()
