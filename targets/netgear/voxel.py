"""Voxel's builds: DNI's keys and firewall-start.sh, pushed over SSH."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from compiler.model.datapath import DataPath
from compiler.model.device import Device, Zone
from compiler.model.effect import Direction, Effect, Probe, Verdict
from compiler.model.finding import Code, Finding, Severity
from compiler.model.protocol import TCP, UDP, Family
from compiler.model.step import Step, StepName
from compiler.model.survey import Survey
from compiler.model.target import Procedure
from compiler.toggles import nvram
from compiler.toggles.checks import fact
from compiler.toggles.scripted import ScriptedSettings, ScriptedTarget
from compiler.toggles.target import ToggleTarget, observed_text
from targets.netgear import forwarding
from targets.netgear.family import FIRMWARE, FORMER, START, VOXEL
from targets.netgear.forwarding import DMZ, DMZ_HOST, KEY, Way
from targets.netgear.models import accelerated, firmware_rules

_IPV6 = "what this firmware does with IPv6 has not been read"
_CLOSED = (
    "no port forwarding is known that brings it in, and none is written: enter one on the router's "
    "page, then state what `config show` prints as passthru_observed"
)
_PORTLESS = "port forwardings bring in TCP and UDP only; the router has a DMZ host for all else"
_READ = f"""i=1
while [ "$i" -le 256 ]; do
	value=$(nvram get "{KEY}$i" 2>/dev/null)
	[ -n "$value" ] || break
	printf '{KEY}%s=%s\\n' "$i" "$value"
	i=$((i + 1))
done
echo {START.mark}
if [ -x {START.name} ]; then cat {START.name}; fi
"""
_CHECK = f"""
root=${{PASSTHRU_ROOT-}}
start=$root{START.name}
grep -q {START.name} "$root/usr/sbin/net-wall" || {{
	echo 'net-wall of this firmware does not run {START.name}' >&2
	exit 1
}}
if [ -s "$start" ] && [ ! -x "$start" ]; then
	echo '{START.name} is not executable: the router does not run what it holds' >&2
	exit 1
fi
if [ ! -e "$start" ] && [ -x "$root{FORMER}" ]; then
	echo '{FORMER} would no longer run: move it to {START.name}' >&2
	exit 1
fi
"""


class VoxelTarget(ScriptedTarget):
    """Netgear home routers with Voxel's firmware."""

    def __init__(self) -> None:
        self._keys = ToggleTarget(VOXEL)
        super().__init__(START, self._keys, model=firmware_rules)

    def effects(
        self, settings: ScriptedSettings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences; an observed listing tells the port forwardings."""
        text = observed_text(device)
        ways = forwarding.ways(self._listed(text)) if text else ()
        found = super().effects(settings, device, probes)
        return tuple(_settled(effect, device, ways) for effect in found)

    def data_path(self, settings: ScriptedSettings, device: Device) -> DataPath:
        """Give the firmware's rules to a proof; running tunnels bypass them.

        Raises:
            TargetError: T406, nobody has read them.
        """
        return accelerated(super().data_path(settings, device))

    def procedure(self, settings: ScriptedSettings, device: Device) -> Procedure:
        """Give the steps; what would keep the script from running is found before anything."""
        plain = super().procedure(settings, device)
        reads = nvram.reading((*VOXEL.keys, DMZ, DMZ_HOST)) + _READ
        says = f"prints the switches, the port forwardings and {START.file_name}"
        read = Step(StepName.READ, says, reads)
        steps = [read if step.name is StepName.READ else step for step in plain.steps]
        if settings.rules:
            steps = [
                replace(step, script=step.script + _CHECK) if step.name is StepName.CHECK else step
                for step in steps
            ]
        return replace(plain, steps=tuple(steps))

    def survey(self, native: str, device: Device | None) -> Survey:
        """Read what `config show` or `nvram show` prints; stock firmware runs no script.

        Raises:
            NativeError: T407.
        """
        from compiler.evaluate.iptables.saved import is_saved  # noqa: PLC0415 - foreign dumps

        stock = device is not None and device.facts.get(FIRMWARE.name) == "stock"
        found = self._keys.survey(native, device) if stock else super().survey(native, device)
        text = self._text.plain(native.removeprefix("\ufeff"))
        if is_saved(text):
            return found
        ways = forwarding.ways(self._listed(text))

        def answers(probes: Sequence[Probe]) -> tuple[Effect, ...]:
            return tuple(_settled(e, found.device, ways) for e in found.effects(probes))

        findings = (*found.findings, *(_told(way, found.device) for way in ways))
        return replace(found, answers=answers, findings=findings)

    def _listed(self, text: str) -> Mapping[str, str]:
        return nvram.read(self._text.split(self._text.plain(text))[0], ())

    def _may_run_unseen(self, listing: str) -> bool:
        return not nvram.is_own(listing)


def firmware(device: Device) -> Iterable[Finding]:
    """Judge the fact that says whose firmware it is."""
    stated = device.facts.get(FIRMWARE.name)
    return () if stated is None else fact(FIRMWARE, stated, device)


def _settled(effect: Effect, device: Device, ways: tuple[Way, ...]) -> Effect:
    """Bound what the keys and the script say by what is known of the rest of the firmware."""
    probe = effect.probe
    if probe.family is Family.IPV6:
        return replace(effect, verdict=Verdict.UNKNOWN, because=_IPV6)
    if probe.direction is Direction.IN:
        return _inbound(effect, ways)
    if effect.verdict is not Verdict.DROP:
        return effect
    inner, outer = _first(device.lan_zones), _first(device.wan_zones)
    if probe.source not in ("", inner):
        because = f"{effect.because}: whether it holds beyond the zone {inner} (br0) is not known"
        return replace(effect, verdict=Verdict.UNKNOWN, because=because)
    scripted = effect.because.startswith(START.file_name)
    if probe.destination not in ("", outer) and not scripted:
        because = f"{effect.because}: whether it holds beyond the WAN {outer} is not known"
        return replace(effect, verdict=Verdict.UNKNOWN, because=because)
    return effect


def _inbound(effect: Effect, ways: tuple[Way, ...]) -> Effect:
    way = next((way for way in ways if way.takes(effect.probe)), None)
    wanted = effect.probe.destination_address
    if way is None or (wanted is not None and wanted != way.to):
        because = _CLOSED if effect.probe.flow.layer4 in (TCP, UDP) else _PORTLESS
        return replace(effect, because=because) if effect.verdict.blocks else effect
    if effect.verdict is Verdict.UNKNOWN:
        return replace(effect, because=f"{effect.because}; {way} would bring it in")
    return replace(effect, verdict=Verdict.PASS, because=str(way))


def _told(way: Way, device: Device) -> Finding:
    message = f"the router lets everybody in by {way}"
    return Finding(Code.A805, message, Severity.INFO, host=device.name)


def _first(zones: Sequence[Zone]) -> str:
    return zones[0].name if zones else ""
