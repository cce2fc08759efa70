"""The target contract, from a family's data alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compiler.errors import NativeError, TargetError
from compiler.model import modules
from compiler.model.datapath import DataPath
from compiler.model.device import Device, Fact
from compiler.model.effect import Effect, HelperState, Probe
from compiler.model.example import typical
from compiler.model.finding import Finding
from compiler.model.intent import Intent
from compiler.model.survey import Survey
from compiler.model.target import Bundle, Capabilities, Procedure
from compiler.toggles import effects as toggle_effects
from compiler.toggles.checks import error, fact, zones
from compiler.toggles.datapath import Model, data_path
from compiler.toggles.family import Example, FactSpec, Family, Scalar, ToggleSettings
from compiler.toggles.firmware import unread
from compiler.toggles.notes import notes
from compiler.toggles.solve import solve

_KERNEL = FactSpec(
    "kernel",
    "kernel release as `uname -r` prints it; before 4.7 a loaded NAT helper is assigned by itself",
    str,
    pattern=r"\d{1,3}\.\d{1,3}\S*",
)
_MODULES = FactSpec(modules.FACT, modules.MEANING, list)
_IPV6 = FactSpec("ipv6", "whether the router forwards IPv6", bool)


class ToggleTarget:
    """A target whose flavours are families of switches; the first flavour is the default."""

    def __init__(self, *families: Family, model: Model | None = None) -> None:
        """``model`` gives the rules that the firmware writes, where somebody has read them."""
        self._families = families
        self._model = model

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

    def examples(self) -> Sequence[Device]:
        """Give the typical routers of every flavour."""
        families = self._families
        return [self._typical(family, each) for family in families for each in family.examples]

    def _typical(self, family: Family, each: Example) -> Device:
        flavour: Mapping[str, Fact] = {"flavour": family.flavour} if family.flavour else {}
        name = "-".join(word for word in (self.name, family.flavour, each.label) if word)
        return typical(name, self.name, {**flavour, **each.facts})

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
            yield _MODULES
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
            if spec is _MODULES:
                found += modules.fact_findings(device)
            elif spec.name in device.facts:
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
        """Solve; see :func:`compiler.toggles.solve.solve`.

        Raises:
            TargetError: T405, the stated modules lack a NAT helper that the intent needs.
        """
        family = self.family(device)
        lacking = list(modules.lacking(intent, device, family.mend)) if family.helpers else []
        if lacking:
            raise TargetError(lacking)
        return ToggleSettings.of(solve(family, intent, device))

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
        return toggle_effects.effects(family, self.values(settings, device), device, probes)

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read a dump that somebody else made; see :func:`compiler.toggles.survey.survey`."""
        return self.surveyed(native, device, "")

    def surveyed(self, native: str, device: Device | None, doubt: str) -> Survey:
        """Read a dump of a router of which ``doubt`` says what its switches do not tell."""
        from compiler.toggles.survey import survey  # noqa: PLC0415 - only audits read foreign dumps

        return survey(self, self._families, native, device, doubt)

    def data_path(self, settings: ToggleSettings, device: Device) -> DataPath:
        """Give the firmware's rules to a proof.

        Raises:
            TargetError: T406, nobody has read them.
        """
        if self._model is None:
            raise unread(self.name)
        known = ToggleSettings.of(self.values(settings, device))
        return data_path(self.name, self._model, known, device, self.helpers(settings, device))

    def values(self, settings: ToggleSettings, device: Device) -> Mapping[str, Scalar]:
        """Give what is known of the switches: an observed answer speaks for unmanaged ones."""
        return {**observed_values(self.family(device), device), **settings.as_dict()}

    def helpers(self, settings: ToggleSettings, device: Device) -> Mapping[str, HelperState]:
        """Give the states of the NAT helpers."""
        values = self.values(settings, device)
        return toggle_effects.helper_states(self.family(device), values, device)

    def procedure(self, settings: ToggleSettings, device: Device) -> Procedure:
        """Give the steps that bring the bundle onto the router."""
        family = self.family(device)
        return family.form.procedure(family, settings.as_dict())

    def items(self, settings: ToggleSettings) -> Mapping[str, str]:
        """List the managed switches."""
        return {key: str(value) for key, value in settings.as_dict().items()}

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
