"""The target contract for routers with a Vyatta config, from a dialect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Decision, Exposure, Intent
from compiler.model.protocol import Family
from compiler.model.survey import Survey
from compiler.model.target import Bundle, Capabilities, Procedure
from compiler.vyatta import effects, layout, render, settings, solve, text
from compiler.vyatta.dialect import Dialect
from compiler.vyatta.read import read
from compiler.vyatta.settings import VyattaSettings

_TEXT = "configuration"


@dataclass(frozen=True, slots=True)
class VyattaTarget:
    """One family: its dialect by device, its own facts and their check."""

    name: str
    summary: str
    capabilities: Capabilities
    dialect: Callable[[Device], Dialect]
    described: Mapping[str, str]
    examples: Callable[[], Sequence[Device]]
    checked: Callable[[Device], Iterator[Finding]]

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones, options and facts."""
        return [*self.checked(device), *layout.check(device, self.dialect(device))]

    def options(self) -> Mapping[str, str]:
        """Describe the options and facts that are read."""
        return self.described

    def settings(self, intent: Intent, device: Device) -> VyattaSettings:
        """Solve; see :func:`compiler.vyatta.solve.solve`."""
        return solve.solve(intent, device, self.dialect(device))

    def render(self, settings: VyattaSettings, device: Device) -> Bundle:
        """Print our commands and apply.sh."""
        return render.bundle(settings, self.dialect(device))

    def parse(self, native: str, device: Device) -> VyattaSettings:
        """Read our own file, ``show configuration commands`` or the tree with braces."""
        return settings.select(read(native, _TEXT), self.dialect(device), _TEXT)

    def merge(self, settings: VyattaSettings, native: str, device: Device) -> str:
        """Put our commands into a list of commands; see :func:`compiler.vyatta.text.merge`."""
        return text.merge(settings, native, self.dialect(device), _TEXT)

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read a whole config, whoever wrote it; see :func:`compiler.vyatta.survey.survey`."""
        from compiler.vyatta.survey import survey  # noqa: PLC0415 - only audits read foreign rules

        return survey(native, device, self.dialect(device or Device("", self.name, ())))

    def effects(
        self, settings: VyattaSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences under our rules."""
        return effects.effects(settings, device, probes, self.dialect(device))

    def data_path(self, settings: VyattaSettings, device: Device) -> DataPath:
        """Give the firmware's rules to a proof; see :mod:`compiler.vyatta.firmware`."""
        from compiler.vyatta.firmware.path import data_path  # noqa: PLC0415 - only proofs ask

        return data_path(settings, device, self.dialect(device))

    def procedure(self, settings: VyattaSettings, device: Device) -> Procedure:  # noqa: ARG002 - same
        """Give the steps; see :mod:`compiler.vyatta.render`."""
        return render.procedure(self.dialect(device))

    def items(self, settings: VyattaSettings) -> Mapping[str, str]:
        """List our commands by what they set, and the switch of the helper."""
        return settings.items()

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what no probe shows: log rates, moved protocols, direction in, hardware offload."""
        return tuple(_notes(intent, device, self.dialect(device)))


def _notes(intent: Intent, device: Device, dialect: Dialect) -> Iterator[Finding]:
    owners: list[Decision | Exposure] = [*intent.decisions, *intent.exposures]
    for owner in owners:
        for message, hint in _messages(owner, device, dialect):
            place, protocol = owner.origin.place, owner.protocol
            yield Finding(Code.T406, message, Severity.WARNING, place, hint, device.name, protocol)
    blocks = any(decision.action is Action.BLOCK for decision in intent.decisions)
    if dialect.offloads and blocks and device.facts.get("offload") is not False:
        yield Finding(
            Code.D505,
            "where hardware offload is on, it may carry running tunnels past a new block",
            Severity.WARNING if device.facts.get("offload") else Severity.INFO,
            device.place,
            "state passthru_facts.offload: false if `show system offload` has nothing enabled; "
            "else restart the router after the first push of a block",
            device.name,
        )


def _messages(
    owner: Decision | Exposure, device: Device, dialect: Dialect
) -> Iterator[tuple[str, str]]:
    if owner.log is not None and owner.log.rate:
        yield (
            "a rule that logs cannot limit the rate without limiting its match",
            "leave out `rate`",
        )
    if isinstance(owner, Decision) and owner.detect and owner.action is Action.BLOCK:
        yield "these rules cannot find the protocol on other ports", "leave out `detect`"
    if isinstance(owner, Exposure) and not dialect.forward:
        family = Family.IPV4 if owner.to.version == 4 else Family.IPV6
        if not layout.layout_of(device, dialect).ruleset_in(family):
            option = "ruleset_in" if family is Family.IPV4 else "ruleset_in6"
            yield (
                "the ruleset of the WAN interfaces for direction in is not known and may drop this",
                f"passthru_{option}: its name",
            )
