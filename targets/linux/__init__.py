"""Linux with nftables: the reference NAT target, as a whole gateway or as an overlay.

README.md holds the facts this target builds on, with their sources. Reading order:
:mod:`targets.linux.nft` (the settings), ``claims``, ``zones``, ``where``, ``shortcut``,
``flowmaps``, ``bypass``, ``branches``, ``new``, ``nat`` and ``solve`` (intent to settings),
``render``, ``reader``, ``statements`` and ``parse``, ``walk`` and ``effects`` (settings to
effects), ``notes``, ``procedure``.

What a command does not need is not imported: `validate` only asks for :meth:`LinuxTarget.check`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from compiler.errors import TargetError
from compiler.model.device import Device
from compiler.model.effect import Effect, Probe
from compiler.model.example import typical
from compiler.model.finding import Code, Finding
from compiler.model.intent import Intent
from compiler.model.target import Bundle, Capabilities, Procedure
from targets.linux.check import device_findings
from targets.linux.options import DESCRIPTIONS, Options, option_findings

if TYPE_CHECKING:
    from compiler.model.datapath import DataPath
    from compiler.model.survey import Survey
    from targets.linux import nft


class LinuxTarget:
    """See :class:`compiler.model.target.Target`; the settings are one nft table."""

    name = "linux"
    summary = "Linux with nftables: a whole NAT gateway, or an overlay beside another firewall"
    capabilities = Capabilities(
        reads=True,
        writes=True,
        pushes="ssh",
        rolls_back="nft transaction",
        helper="ct helper object, bound to zones and destinations",
        ipv6="yes",
        running_tunnels="cut",
    )

    def examples(self) -> Sequence[Device]:
        """Give a gateway, and an overlay beside another firewall."""
        return [
            typical("linux", self.name),
            typical("linux-overlay", self.name, options={"mode": "overlay"}),
        ]

    def check(self, device: Device) -> Sequence[Finding]:
        """Find missing or impossible interfaces and option values."""
        return [*device_findings(device), *option_findings(device)]

    def options(self) -> Mapping[str, str]:
        """Name the options and facts that this target reads."""
        return DESCRIPTIONS

    def settings(self, intent: Intent, device: Device) -> nft.Table:
        """Solve the table.

        Raises:
            TargetError: T405, the router's stated modules lack a NAT helper that the intent needs.
        """
        from targets.linux.render import helper_modules
        from targets.linux.solve import solve

        table = solve(intent, device, Options.of(device))
        stated = device.facts.get("modules")
        missing = [m for m in helper_modules(table) if isinstance(stated, list) and m not in stated]
        if missing:
            names = " and ".join(missing)
            raise TargetError.of(
                Code.T405,
                f"the policy needs the kernel modules {names}, which the router lacks",
                device.place,
                f"`modprobe {' '.join(missing)}`; Debian has them in linux-image-amd64, "
                "not in the cloud kernel",
                device.name,
            )
        return table

    def render(self, settings: nft.Table, device: Device) -> Bundle:
        """Print rules, sysctl, modules, unit and apply script."""
        from targets.linux.render import render

        return render(settings, device, Options.of(device))

    def parse(self, native: str, device: Device) -> nft.Table:  # noqa: ARG002 - the contract's
        """Read our table from a file of ours or from ``nft list``.

        Raises:
            NativeError: T407.
        """
        from targets.linux.parse import parse
        from targets.linux.solve import TABLE

        return parse(native, TABLE)

    def merge(self, settings: nft.Table, native: str, device: Device) -> str:  # noqa: ARG002
        """Give the file: it holds nothing but our table, and loading it touches no other."""
        from targets.linux.render import table_text

        return table_text(settings)

    def effects(
        self, settings: nft.Table, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Walk the probes' packets through the table."""
        from targets.linux.effects import effects

        return effects(settings, device, Options.of(device), probes)

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read a whole foreign ruleset: ``nft -j list ruleset``, nft's language, iptables-save.

        Raises:
            NativeError: T407.
        """
        from targets.linux.survey import survey

        return survey(native, device)

    def survey_with(self, settings: nft.Table, native: str, device: Device) -> Survey:
        """Read a whole foreign ruleset as it will be with these settings loaded.

        Raises:
            NativeError: T407.
        """
        from targets.linux.render import table_text
        from targets.linux.survey import survey_beside

        return survey_beside(table_text(settings), native, device)

    def alone(self, native: str) -> bool:
        """Tell whether a text is our table and no other: what the read step prints."""
        from targets.linux.solve import TABLE

        ours = ("table", "inet", TABLE)
        tables = [line.split() for line in native.splitlines() if line.lstrip()[:5] == "table"]
        outside = [line.split() for line in native.splitlines() if line[:1].strip(" \t}#")]
        allowed = (list(ours), [*ours, "{"], ["delete", *ours])
        return bool(tables) and all(words in allowed for words in (*tables, *outside))

    def elsewhere(self, facts: Mapping[str, str]) -> str:
        """Name the tables that are not ours, which the read step leaves out."""
        from targets.linux.solve import TABLE

        words = facts.get("tables", "").split("table ")
        return ", ".join(w.strip() for w in words if w.strip() not in ("", f"inet {TABLE}"))

    def data_path(self, settings: nft.Table, device: Device) -> DataPath:
        """Give the rules themselves to a proof; nothing is modelled."""
        from targets.linux.datapath import data_path

        return data_path(settings, device, Options.of(device))

    def procedure(self, settings: nft.Table, device: Device) -> Procedure:
        """Give the steps of an apply over SSH."""
        from targets.linux.procedure import procedure

        return procedure(settings, Options.of(device), self.render(settings, device))

    def items(self, settings: nft.Table) -> Mapping[str, str]:
        """List the table flat: each chain with its rules, each set, map and helper."""
        from targets.linux.listing import items

        return items(settings)

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what overlays cannot promise, what nft cannot see, and what makes the router slow."""
        from targets.linux.notes import notes

        return list(notes(intent, device))


TARGET = LinuxTarget()
