"""The netgear target: advice for Netgear's own firmware, settings for Voxel's builds of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Finding
from compiler.model.intent import Intent
from compiler.model.survey import Survey
from compiler.model.target import Bundle, Capabilities, Procedure
from compiler.toggles.firmware import unread
from compiler.toggles.scripted import ScriptedSettings
from targets.netgear.advice import Advice
from targets.netgear.family import FIRMWARE
from targets.netgear.stock import StockTarget
from targets.netgear.voxel import VoxelTarget, firmware

Settings = Advice | ScriptedSettings


class NetgearTarget:
    """Netgear home routers; the fact ``firmware`` says whose firmware they run."""

    def __init__(self) -> None:
        self._stock = StockTarget()
        self._voxel = VoxelTarget()

    @property
    def name(self) -> str:
        """The word in ``passthru_target``."""
        return self._stock.name

    @property
    def summary(self) -> str:
        """One line for ``passthru targets``."""
        return self._voxel.summary

    @property
    def capabilities(self) -> Capabilities:
        """What the family can do."""
        return self._voxel.capabilities

    def _of(self, device: Device) -> Any:
        """Give the part that knows the device's firmware."""
        return self._voxel if device.facts.get(FIRMWARE.name) == "voxel" else self._stock

    def examples(self) -> Sequence[Device]:
        """Give a typical router with either firmware."""
        return [*self._stock.examples(), *self._voxel.examples()]

    def options(self) -> Mapping[str, str]:
        """Names of options and facts."""
        return {**self._stock.options(), **self._voxel.options()}

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge zones, facts and options."""
        part = self._of(device)
        named = firmware(device) if part is self._stock else ()
        return [*part.check(device), *named]

    def settings(self, intent: Intent, device: Device) -> Settings:
        """Solve."""
        found: Settings = self._of(device).settings(intent, device)
        return found

    def render(self, settings: Settings, device: Device) -> Bundle:
        """Print the bundle."""
        bundle: Bundle = self._of(device).render(settings, device)
        return bundle

    def parse(self, native: str, device: Device) -> Settings:
        """Read our own advice, or what a router with Voxel's firmware prints."""
        found: Settings = self._of(device).parse(native, device)
        return found

    def merge(self, settings: Settings, native: str, device: Device) -> str:
        """Put the settings into a native text; all else stays byte for byte."""
        return str(self._of(device).merge(settings, native, device))

    def effects(
        self, settings: Settings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences."""
        return tuple(self._of(device).effects(settings, device, probes))

    def data_path(self, settings: Settings, device: Device) -> DataPath:
        """Give the firmware's rules to a proof.

        Raises:
            TargetError: T406, nobody has read them.
        """
        part = self._of(device)
        if part is self._stock:
            raise unread(self.name)
        found: DataPath = part.data_path(settings, device)
        return found

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read what `config show` prints with either firmware."""
        return self._voxel.survey(native, device)

    def procedure(self, settings: Settings, device: Device) -> Procedure:
        """Give the steps."""
        found: Procedure = self._of(device).procedure(settings, device)
        return found

    def items(self, settings: Settings) -> Mapping[str, str]:
        """List the settings, for diffs."""
        if isinstance(settings, ScriptedSettings):
            return self._voxel.items(settings)
        return {str(forward): "entered by hand" for forward in settings.forwards}

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what a person should know."""
        return list(self._of(device).notes(intent, device))
