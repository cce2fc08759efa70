"""Netgear's own firmware: what it does by itself, and advice about the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from compiler.model.device import Device
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.example import typical
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Intent
from compiler.model.protocol import GRE
from compiler.model.protocol import Family as AddressFamily
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, Capabilities, Procedure
from compiler.toggles.checks import error, zones
from targets.netgear import advice
from targets.netgear.advice import Advice


class StockTarget:
    """Netgear home routers with their own firmware."""

    @property
    def name(self) -> str:
        """The word in ``passthru_target``."""
        return "netgear"

    @property
    def summary(self) -> str:
        """One line for ``passthru targets``."""
        return "Netgear home routers: nothing to set; says what they do by themselves, and advises"

    @property
    def capabilities(self) -> Capabilities:
        """What the family can do."""
        return Capabilities(
            reads=False,
            writes=False,
            pushes="advice for a person",
            rolls_back="by hand",
            helper="unknown",
            ipv6="unknown",
            running_tunnels="nothing can be blocked",
        )

    def examples(self) -> Sequence[Device]:
        """Give a typical router."""
        return [typical("netgear", self.name)]

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones and facts."""
        found = list(zones(device))
        stated = device.facts.get("ipv6", True)
        if not isinstance(stated, bool):
            message = "passthru_facts.ipv6 must be true or false"
            found.append(error(device, message, "state it without quotes"))
        if "observed" in device.options:
            message = "Netgear routers have no VPN settings that could be observed"
            found.append(error(device, message, "leave passthru_observed out"))
        return found

    def options(self) -> Mapping[str, str]:
        """Names of facts."""
        return {"facts.ipv6": "whether the router forwards IPv6"}

    def settings(self, intent: Intent, device: Device) -> Advice:
        """Give the port forwardings that the exposures need."""
        del device
        return advice.advise(intent)

    def render(self, settings: Advice, device: Device) -> Bundle:
        """Print the advice as data and in words."""
        del device
        return advice.render(settings)

    def parse(self, native: str, device: Device) -> Advice:
        """Read our own advice."""
        del device
        return advice.parse(native)

    def merge(self, settings: Advice, native: str, device: Device) -> str:
        """Write our own advice anew.

        Raises:
            NativeError: the text is something else.
        """
        advice.parse(native)
        return self.render(settings, device).native_text

    def effects(
        self, settings: Advice, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences, once a person has followed the advice."""
        del device
        return tuple(_effect(settings, probe) for probe in probes)

    def procedure(self, settings: Advice, device: Device) -> Procedure:
        """Give the steps for a person."""
        del settings, device
        return Procedure(
            "file",
            (
                Step(StepName.APPLY, "enter what it says", request=advice.WORDS),
                Step(StepName.VERIFY, "check from behind the router", request=advice.WORDS),
            ),
        )

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what is left to a person."""
        return list(_notes(intent, device))


def _effect(settings: Advice, probe: Probe) -> Effect:
    if probe.family is AddressFamily.IPV6:
        because = "what this firmware does with IPv6 has not been read"
        return Effect(probe, Verdict.UNKNOWN, because)
    if probe.direction is Direction.IN:
        return _inbound(settings, probe)
    effect = Effect(probe, Verdict.PASS, "the firmware lets it out and has no switch for it")
    if probe.flow.carried and probe.flow.layer4 == GRE:
        because = f"{effect.because}; whether it has the PPTP helper is not known"
        return replace(effect, because=because, helper=HelperState.UNKNOWN)
    return effect


def _inbound(settings: Advice, probe: Probe) -> Effect:
    for forward in settings.forwards:
        here = forward.layer4 == probe.flow.layer4 and probe.port in forward.ports
        if here and forward.to == probe.destination_address:
            return Effect(probe, Verdict.PASS, f"port forwarding of {forward}, entered by hand")
    return Effect(probe, Verdict.DROP, "no port forwarding brings it in")


def _notes(intent: Intent, device: Device) -> Iterator[Finding]:
    for exposure in intent.exposures:
        yield Finding(
            Code.T406,
            f"the way in for {exposure.protocol} is entered by hand; see {advice.WORDS}",
            Severity.WARNING,
            exposure.origin.place,
            host=device.name,
            protocol=exposure.protocol,
        )
        if exposure.sources:
            yield Finding(
                Code.T406,
                f"everybody may come in to {exposure.protocol}: the router's port forwarding has "
                "no list of sources",
                Severity.WARNING,
                exposure.origin.place,
                "limit the sources on the host itself",
                device.name,
                exposure.protocol,
            )
