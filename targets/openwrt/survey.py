"""What a foreign firewall config does: the rules that it becomes, and packets sent through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from compiler.errors import NativeError
from compiler.evaluate import Outcome, Packet, Ruleset, Step
from compiler.evaluate.experience import Conditions, Experience
from compiler.model.device import Device, Fact, Network
from compiler.model.effect import Effect, HelperState, Probe, Verdict
from compiler.model.finding import Code, Finding, Severity
from compiler.model.survey import HelperFound, Loadable, Survey
from targets.openwrt import uci
from targets.openwrt.facts import HELPERS, Firewall, firewall_of, release_of
from targets.openwrt.fw4.load import Modules
from targets.openwrt.networks import Networks, of_device, read
from targets.openwrt.uci import Section
from targets.openwrt.world import World, build
from targets.openwrt.zones import conclude

FILE = "/etc/config/firewall"
_PPTP = HELPERS["pptp"][0]
_UNKNOWN_MATCH = re.compile(r"meta unknown is not known")
_UNKNOWN_DEED = re.compile(r"'unknown' is not understood")


def survey(native: str, device: Device | None) -> Survey:
    """Read a firewall config, with the package ``network`` where the text holds it too.

    Raises:
        NativeError: T407, the text is no UCI config of a firewall.
    """
    sections, networks = _parts(native, device)
    known = device or Device("", "openwrt", ())
    firewall = firewall_of(known)
    worlds = _worlds(sections, networks, known, firewall)
    concluded = conclude(worlds[0].zones, known)
    facts: Mapping[str, Fact] = dict(known.facts)
    if known.ipv6 is None:
        facts = {**facts, "ipv6": True}
    found = replace(known, zones=concluded.zones, facts=MappingProxyType(dict(facts)))
    answers = _Answers(worlds, replace(found, zones=concluded.inner), concluded.strangers)
    findings = (*concluded.findings, *_findings(worlds, known, firewall))
    rules, helpers = answers.rules(), tuple(answers.helpers())
    mentioned = rules.networks if rules else frozenset[Network]()
    return Survey(found, answers.effects, findings, helpers, rules, mentioned)


def _parts(native: str, device: Device | None) -> tuple[tuple[Section, ...], Networks]:
    packages = uci.packages(native, FILE)
    sections = packages.get("firewall", ())
    # people put both files into one text; the firewall ignores what is not its own
    network = (*packages.get("network", ()), *(s for s in sections if s.type in _NETWORK_TYPES))
    own = tuple(section for section in sections if section.type not in _NETWORK_TYPES)
    if not any(section.type in _FIREWALL_TYPES for section in own):
        hint = "give the file /etc/config/firewall, or what `uci export firewall` prints"
        message = "the text holds no section of a firewall config"
        raise NativeError(NativeError.of(Code.T407, message, hint=hint).findings)
    return own, of_device(read(network), own, device)


_NETWORK_TYPES = frozenset(
    {"interface", "device", "globals", "switch", "switch_vlan", "bridge-vlan"}
)
_FIREWALL_TYPES = frozenset({"defaults", "zone", "forwarding", "rule", "redirect"})


def _worlds(
    sections: Sequence[Section], networks: Networks, device: Device, firewall: Firewall
) -> tuple[World, ...]:
    """Build the rules; where nobody knows the modules, with all of them and with none."""
    stated = modules_of(device)
    guesses: tuple[Modules, ...] = (True, False) if stated is None else (stated,)
    harmless = _harmless(device)
    kept = [s for s in sections if s.type != "include" or s.text("path") not in harmless]
    return tuple(build(kept, networks, guess, firewall) for guess in guesses)


def modules_of(device: Device) -> frozenset[str] | None:
    """Give the kernel modules that the facts state; ``None`` where they state none."""
    stated = device.facts.get("modules")
    if isinstance(stated, str):
        return frozenset(re.split(r"[\s,]+", stated.strip("[] ")))
    if not isinstance(stated, list):
        return None
    return frozenset(word for word in stated if isinstance(word, str))


def _harmless(device: Device) -> frozenset[str]:
    stated = device.facts.get("harmless_includes")
    words = stated if isinstance(stated, list) else [stated]
    return frozenset(word for word in words if isinstance(word, str))


class _Answers:
    """Effects under every world that is possible; where they differ, nobody knows."""

    def __init__(
        self, worlds: tuple[World, ...], device: Device, strangers: frozenset[str]
    ) -> None:
        self._worlds = worlds
        self._strangers = strangers
        self._experiences = [_experience(world, device) for world in worlds]

    def effects(self, probes: Sequence[Probe]) -> tuple[Effect, ...]:
        """Answer probes, in their order."""
        found = [self._of(i, probes) for i in range(len(self._worlds))]
        return tuple(self._known(_joined(each)) for each in zip(*found, strict=True))

    def _known(self, effect: Effect) -> Effect:
        probe = effect.probe
        strange = next(
            (name for name in (probe.source, probe.destination) if name in self._strangers), ""
        )
        if not strange:
            return effect
        because = f"the config does not tell what packets zone '{strange}' has"
        return Effect(probe, Verdict.UNKNOWN, because, _unknown_helper(probe))

    def _of(self, index: int, probes: Sequence[Probe]) -> tuple[Effect, ...]:
        experience = self._experiences[index]
        if experience is not None:
            return experience.effects(probes)
        why = self._worlds[index].why
        return tuple(Effect(p, Verdict.UNKNOWN, why, _unknown_helper(p)) for p in probes)

    def rules(self) -> Loadable | None:
        """Give the rules for a twin. Packets decide no doubt: each is about the config itself."""
        world, experience = self._worlds[0], self._experiences[0]
        if world.ruleset is None or experience is None:
            return None
        mentioned = (world.ruleset.links, world.ruleset.networks)
        return Loadable(world.listing, "", "", experience.journeys, self._doubt, *mentioned)

    def _doubt(self, probe: Probe) -> str:
        (effect,) = self.effects([probe])
        return effect.because if effect.verdict is Verdict.UNKNOWN else ""

    def helpers(self) -> Iterator[HelperFound]:
        """Say what the config does with the helpers that VPN protocols need."""
        for name in HELPERS:
            found = [world.helper(name) for world in self._worlds if not world.why]
            states = {each.state for each in found}
            if len(states) == 1:
                yield found[0]
            elif found:
                module = HELPERS[name][0]
                because = f"{found[0].because}, if the router has the kernel module {module}"
                yield HelperFound(name, HelperState.UNKNOWN, because)


def _unknown_helper(probe: Probe) -> HelperState:
    helper = probe.flow.helper
    needed = helper is not None and probe.family in helper.families
    return HelperState.UNKNOWN if needed else HelperState.NOT_NEEDED


def _joined(found: tuple[Effect, ...]) -> Effect:
    first, *more = found
    other = next((one for one in more if _differs(one, first)), None)
    if other is None:
        return first
    helper = _joined_helper(first.helper, other.helper)
    because = f"it depends on whether the router has the kernel module {_PPTP}"
    if first.verdict is other.verdict:
        cuts = first.cuts_running and other.cuts_running
        return Effect(first.probe, first.verdict, first.because, helper, cuts)
    return Effect(first.probe, Verdict.UNKNOWN, f"{because}: {first.because}", helper)


def _differs(one: Effect, other: Effect) -> bool:
    return (one.verdict, one.helper, one.cuts_running) != (
        other.verdict,
        other.helper,
        other.cuts_running,
    )


def _joined_helper(with_module: HelperState, without: HelperState) -> HelperState:
    """Say what is known of a helper: one that nothing assigns does nothing in any case."""
    if with_module is without or with_module is HelperState.IDLE:
        return with_module
    return HelperState.UNKNOWN


def _experience(world: World, device: Device) -> Experience | None:
    if world.ruleset is None:
        return None
    present = world.helper("pptp").state is not HelperState.ABSENT
    state = HelperState.IDLE if present else HelperState.ABSENT
    because = world.helper("pptp").because
    release = release_of(device)
    # the kernels of 21.02 and later are newer than 5.1; without the module some lack the tracker
    keyed = True if present and release is not None and release.year >= 21 else None
    return Experience(_told(world.ruleset), device, Conditions(state, because, keyed))


def _told(ruleset: Ruleset) -> Ruleset:
    return Told(**{each.name: getattr(ruleset, each.name) for each in fields(ruleset)})


@dataclass(frozen=True, slots=True)
class Told(Ruleset):
    """A ruleset that names sections of the config, not the rules that they became."""

    def forward(self, packet: Packet) -> Outcome:
        """Send a packet through."""
        found = Ruleset.forward(self, packet)
        reason = _UNKNOWN_MATCH.sub("what it matches is not known", found.reason)
        reason = _UNKNOWN_DEED.sub("what it does is not known", reason)
        return replace(found, steps=tuple(_deciding(found.steps)), reason=reason)


def _deciding(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Leave out the rules behind the section that decided, hook by hook."""
    for hook in dict.fromkeys(step.hook for step in steps):
        mine = [step for step in steps if step.hook == hook]
        last = max((i for i, step in enumerate(mine) if step.place), default=len(mine) - 1)
        yield from mine[: last + 1]


def _findings(worlds: tuple[World, ...], device: Device, firewall: Firewall) -> Iterator[Finding]:
    def finding(code: Code, severity: Severity, message: str, hint: str = "") -> Finding:
        return Finding(code, message, severity, hint=hint, host=device.name)

    if release_of(device) is None and device.facts.get("firewall") is None:
        message = f"the text is read as {firewall} does; releases before 22.03 run fw3"
        yield finding(Code.A803, Severity.INFO, message, "--fact release=21.02, or firewall=fw3")
    world = worlds[0]
    if world.why:
        yield finding(Code.A804, Severity.WARNING, world.why, _hint(world.why))
    elif worlds[-1].why:
        yield finding(
            Code.A804, Severity.WARNING, worlds[-1].why, "--fact modules=nf_conntrack_pptp"
        )
    for origin, reason in dict.fromkeys(world.vanished):
        message = f"{firewall} passes over {origin}: {reason}"
        yield finding(Code.A805, Severity.WARNING, message)
    for origin, reason in dict.fromkeys(world.traps):
        yield finding(Code.A805, Severity.WARNING, f"{origin}: {reason}")
    if world.offloads:
        message = (
            "flow offloading: packets of running TCP and UDP connections pass by all rules, so a "
            "rule that is new reaches them only once their connections are removed"
        )
        yield finding(Code.A804, Severity.INFO, message)


def _hint(why: str) -> str:
    if "script" in why or "holds is not known" in why:
        return "if it adds no rules: --fact harmless_includes=PATH"
    return ""
