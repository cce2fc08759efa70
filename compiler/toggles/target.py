"""The target contract, from a family's data alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Finding
from compiler.model.intent import Intent
from compiler.model.target import Bundle, Capabilities, Procedure
from compiler.toggles import effects as toggle_effects
from compiler.toggles.checks import error, fact, zones
from compiler.toggles.family import FactSpec, Family, Scalar, ToggleSettings
from compiler.toggles.notes import notes
from compiler.toggles.solve import solve

_KERNEL = FactSpec(
    "kernel",
    "kernel release as `uname -r` prints it; before 4.7 a loaded NAT helper is assigned by itself",
    str,
    pattern=r"\d{1,3}\.\d{1,3}\S*",
)
_IPV6 = FactSpec("ipv6", "whether the router forwards IPv6", bool)


class ToggleTarget:
    """A target whose flavours are families of switches; the first flavour is the default."""

    def __init__(self, *families: Family) -> None:
        self._families = families

    @property
    def name(self) -> str:
        """The word in ``passthru_target``."""
        return self._families[0].name

    @property
    def summary(self) -> str:
        """One line for ``passthru targets``."""
        return self._families[0].summary

    @property
    def capabilities(self) -> Capabilities:
        """What the default flavour can do."""
        return self._families[0].capabilities

    def family(self, device: Device) -> Family:
        """Give the family of the device's flavour and build; the default for no valid one."""
        flavour = device.facts.get("flavour")
        found = next((f for f in self._families if f.flavour == flavour), self._families[0])
        return found.settled(device.facts)

    def options(self) -> Mapping[str, str]:
        """Names of options and ``facts.NAME``, each with a description."""
        found: dict[str, str] = {}
        for family in self._families:
            found.update(family.form.options)
            found.update({f"facts.{f.name}": f.description for f in self._facts(family)})
        return found

    def _facts(self, family: Family) -> Iterator[FactSpec]:
        yield _IPV6
        if family.helpers:
            yield _KERNEL
        flavours = tuple(f.flavour for f in self._families if f.flavour)
        if flavours:
            yield FactSpec(
                "flavour", f"which firmware: {' or '.join(flavours)}; default {flavours[0]}", str,
                flavours,
            )  # fmt: skip
        yield from family.facts

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones, facts and the observed answer."""
        family = self.family(device)
        found = list(zones(device))
        for spec in self._facts(family):
            if spec.name in device.facts:
                found += fact(spec, device.facts[spec.name], device)
        observed = device.options.get("observed", "")
        if not isinstance(observed, str):
            found.append(error(device, "passthru_observed must be a path", "write a file's path"))
        elif "observed" in device.options:
            found += self._observed(family, observed, device)
        return found

    def _observed(self, family: Family, observed: str, device: Device) -> Iterator[Finding]:
        try:
            family.form.parse(family, observed)
        except NativeError as error:
            for finding in error.findings:
                yield Finding(
                    finding.code,
                    f"passthru_observed: {finding.message}",
                    place=device.place,
                    hint=finding.hint,
                    host=device.name,
                )

    def settings(self, intent: Intent, device: Device) -> ToggleSettings:
        """Solve; see :func:`compiler.toggles.solve.solve`."""
        return ToggleSettings.of(solve(self.family(device), intent, device))

    def render(self, settings: ToggleSettings, device: Device) -> Bundle:
        """Print the bundle."""
        family = self.family(device)
        return family.form.render(family, settings.as_dict(), observed_text(device))

    def parse(self, native: str, device: Device) -> ToggleSettings:
        """Read our own native file or what the router's read command prints."""
        family = self.family(device)
        return ToggleSettings.of(family.form.parse(family, native))

    def merge(self, settings: ToggleSettings, native: str, device: Device) -> str:
        """Put the managed switches into a router's own text; all else stays byte for byte.

        Switches that are not managed keep what the text says of them, so what comes out
        parses to the text's own settings with the managed ones laid over.
        """
        family = self.family(device)
        return family.form.merge(family, settings.as_dict(), native, observed_text(device))

    def effects(
        self, settings: ToggleSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences; an observed answer speaks for unmanaged switches."""
        family = self.family(device)
        values: dict[str, Scalar] = {**observed_values(family, device), **settings.as_dict()}
        return toggle_effects.effects(family, values, device, probes)

    def procedure(self, settings: ToggleSettings, device: Device) -> Procedure:
        """Give the steps that bring the bundle onto the router."""
        family = self.family(device)
        return family.form.procedure(family, settings.as_dict())

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what switches cannot do, or do besides, and no probe shows."""
        family = self.family(device)
        return list(notes(family, solve(family, intent, device), intent, device))


def observed_text(device: Device) -> str:
    """Give the text of the router's saved answer, empty without one."""
    observed = device.options.get("observed", "")
    return observed if isinstance(observed, str) else ""


def observed_values(family: Family, device: Device) -> Mapping[str, Scalar]:
    """Give the switches as the router's saved answer states them."""
    text = observed_text(device)
    return family.form.parse(family, text) if text else {}
