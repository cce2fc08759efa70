"""The target contract for RouterOS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.example import typical
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Intent
from compiler.model.survey import Survey
from compiler.model.target import Bundle, Capabilities, Procedure
from targets.routeros import effects, render, settings, solve
from targets.routeros.push import RouterConsole
from targets.routeros.settings import RouterSettings

_TEXT = "export"
_OPTIONS = {
    "facts.fasttrack": "false where no rule has action=fasttrack-connection: then a block also "
    "cuts running IPv6 tunnels",
    "facts.ipv6": "whether the router forwards IPv6; false where it has no /ipv6 menu (RouterOS 6 "
    "without that package)",
}
#: What a name may not hold: control characters, which no person would see.
_HIDDEN = re.compile(r"[\x00-\x1f\x7f]")


class RouterOs:
    """MikroTik RouterOS 6.45 and later, and 7."""

    name = "routeros"
    summary = "MikroTik RouterOS: filter rules in a chain of our own, and the PPTP service port"
    capabilities = Capabilities(
        reads=True,
        writes=True,
        pushes="ssh, without a shell; or import of a script",
        rolls_back="puts our former entries back",
        helper="/ip firewall service-port pptp",
        ipv6="filter rules in /ipv6",
        running_tunnels="cut by the rules; FastTracked ones by removing their connections (IPv4)",
    )

    def examples(self) -> Sequence[Device]:
        """Give a router as it comes, with FastTrack, and one without."""
        return [
            typical("routeros", self.name),
            typical("routeros-plain", self.name, {"fasttrack": False}),
        ]

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones and facts."""
        return tuple(_check(device))

    def options(self) -> Mapping[str, str]:
        """Describe the facts that are read."""
        return _OPTIONS

    def settings(self, intent: Intent, device: Device) -> RouterSettings:
        """Solve; see :func:`targets.routeros.solve.solve`."""
        return solve.solve(intent, device)

    def render(self, settings: RouterSettings, device: Device) -> Bundle:
        """Print the script and the documents of the procedure."""
        return render.bundle(settings, device)

    def parse(self, native: str, device: Device) -> RouterSettings:  # noqa: ARG002 - the contract
        """Read our own script, or an export."""
        return settings.read(native, _TEXT)

    def merge(self, settings: RouterSettings, native: str, device: Device) -> str:  # noqa: ARG002 - same
        """Put the settings into a script or export; see :func:`targets.routeros.render.merge`."""
        return render.merge(settings, native, _TEXT)

    def effects(
        self, settings: RouterSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences under our entries."""
        return effects.effects(settings, device, probes)

    def data_path(self, settings: RouterSettings, device: Device) -> DataPath:
        """Give rules to a proof, from the manual; see :mod:`targets.routeros.models`."""
        from targets.routeros.models import data_path  # noqa: PLC0415 - only proofs ask

        return data_path(settings, device)

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read an export, whoever wrote it; see :func:`targets.routeros.survey.survey`."""
        from targets.routeros.survey import survey  # noqa: PLC0415 - only audits read foreign rules

        return survey(native, device)

    def procedure(self, settings: RouterSettings, device: Device) -> Procedure:
        """Give the steps for a person, and what a push says; see :mod:`targets.routeros.push`."""
        return Procedure("ssh", render.steps(), console=RouterConsole(settings, device))

    def items(self, settings: RouterSettings) -> Mapping[str, str]:
        """List our entries by menu, and the switch of the helper."""
        return settings.items()

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what no probe shows: protocols on other ports."""
        return tuple(_notes(intent, device))


def _check(device: Device) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for zones, role in ((device.lan_zones, "lan"), (device.wan_zones, "wan")):
        if not zones:
            message = f"the router has no {role} zone"
            yield Finding(Code.T404, message, place=device.place, hint="set passthru_zones")
    for zone in device.zones:
        place = zone.place or device.place
        if not zone.devices:
            message = f"zone '{zone.name}' names no device"
            yield Finding(Code.T404, message, place=place, hint="add `device:`", host=device.name)
        for name in zone.devices:
            if not name or _HIDDEN.search(name) or len(name) > 64:
                message = f"{name[:40]!a} cannot be the name of an interface"
                hint = "a name as in `/interface print`"
                yield Finding(Code.T408, message, place=place, hint=hint, host=device.name)
            elif seen.setdefault(name, zone.name) != zone.name:
                message = f"{name!a} is in zone '{seen[name]}' and in zone '{zone.name}'"
                yield Finding(Code.T404, message, place=place, host=device.name)
    stated = device.facts.get("fasttrack", False)
    if not isinstance(stated, bool):
        message = f"passthru_facts.fasttrack must be true or false, not {stated!r:.40}"
        yield Finding(Code.T404, message, place=device.place, host=device.name)


def _notes(intent: Intent, device: Device) -> Iterator[Finding]:
    for decision in intent.decisions:
        if decision.action is Action.BLOCK and decision.detect:
            message = f"these rules cannot find {decision.protocol} on other ports"
            yield Finding(
                Code.T406, message, Severity.WARNING, decision.origin.place,
                "leave out `detect`", device.name, decision.protocol,
            )  # fmt: skip
