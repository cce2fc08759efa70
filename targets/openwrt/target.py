"""The target contract for OpenWrt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compiler.model.datapath import DataPath
from compiler.model.device import Device, Fact
from compiler.model.effect import Effect, Probe
from compiler.model.example import typical
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.intent import Action, Decision, Intent, Log
from compiler.model.protocol import TCP, UDP
from compiler.model.survey import Survey
from compiler.model.target import Bundle, Capabilities, Procedure
from targets.openwrt import effects, facts, merge, render, settings, solve
from targets.openwrt.facts import U32, Firewall, firewall_of, install_command, release_of
from targets.openwrt.procedure import procedure
from targets.openwrt.settings import PREFIX, Settings

_TEXT = "/etc/config/firewall"
#: The burst that nft gives a rate without one; UCI has no option for it.
_BURST = 5


class OpenWrt:
    """OpenWrt with fw3 or fw4: named sections in /etc/config/firewall."""

    name = "openwrt"
    summary = "OpenWrt 19.07 and later: UCI firewall rules for fw3 and fw4"
    capabilities = Capabilities(
        reads=True,
        writes=True,
        pushes="SSH: apply.sh merges, checks, loads and verifies",
        rolls_back="the old file is put back where a check or the loaded rules fail",
        helper="assigned by the firewall itself once the module package is installed",
        ipv6="rules for both families",
        running_tunnels="cut after loading (conntrack, or a patch of OpenWrt kernels)",
    )

    def examples(self) -> Sequence[Device]:
        """Give a router with each firewall, and one without the PPTP helper."""
        modules: list[Fact] = ["nf_conntrack_pptp", "nf_nat_pptp"]
        return [
            typical("openwrt-fw4", self.name, {"release": "24.10", "modules": modules}),
            typical("openwrt-fw4-bare", self.name, {"release": "24.10", "modules": []}),
            typical("openwrt-fw3", self.name, {"release": "21.02", "modules": [*modules, U32]}),
        ]

    def check(self, device: Device) -> Sequence[Finding]:
        """Judge facts and zones."""
        return facts.check(device)

    def options(self) -> Mapping[str, str]:
        """Describe the facts that are read."""
        return facts.OPTIONS

    def settings(self, intent: Intent, device: Device) -> Settings:
        """Solve; see :func:`targets.openwrt.solve.solve`."""
        return solve.solve(intent, device)

    def render(self, settings: Settings, device: Device) -> Bundle:
        """Print firewall.uci, apply.sh and, where the helper is needed, its package."""
        return render.bundle(settings, device)

    def parse(self, native: str, device: Device) -> Settings:  # noqa: ARG002 - the contract
        """Read our sections from our own file, the router's, or ``uci export|show firewall``."""
        return settings.read(native, _TEXT)

    def merge(self, settings: Settings, native: str, device: Device) -> str:  # noqa: ARG002 - same
        """Put the sections into a text of /etc/config/firewall; see :mod:`.merge`."""
        return merge.merge(native, render.block(settings), PREFIX, _TEXT)

    def effects(
        self, settings: Settings, device: Device, probes: Sequence[Probe]
    ) -> tuple[Effect, ...]:
        """Say what each probe experiences under our sections."""
        return effects.effects(settings, device, probes)

    def data_path(self, settings: Settings, device: Device) -> DataPath:
        """Give the rules that the firewall makes; see :mod:`targets.openwrt.model`."""
        from targets.openwrt.model import data_path  # noqa: PLC0415 - only proofs need it

        return data_path(settings, device)

    def survey(self, native: str, device: Device | None) -> Survey:
        """Say what a foreign config does; see :mod:`targets.openwrt.survey`."""
        from targets.openwrt.survey import survey  # noqa: PLC0415 - only audits need it

        return survey(native, device)

    def procedure(self, settings: Settings, device: Device) -> Procedure:  # noqa: ARG002 - same
        """Give the steps; see :mod:`targets.openwrt.procedure`."""
        return procedure()

    def items(self, settings: Settings) -> Mapping[str, str]:
        """List the sections flat: ``SECTION`` is its type, ``SECTION.OPTION`` a value."""
        return settings.items()

    def notes(self, intent: Intent, device: Device) -> Sequence[Finding]:
        """Say what no probe shows: logging, moved protocols, what a system upgrade does."""
        return tuple(_notes(intent, device))


def _notes(intent: Intent, device: Device) -> Iterator[Finding]:
    def warning(
        protocol: str, place: Place, message: str, hint: str, code: Code = Code.T406
    ) -> Finding:
        return Finding(code, message, Severity.WARNING, place, hint, device.name, protocol)

    for decision in intent.decisions:
        place = decision.origin.place
        for message, hint in _log_problem(decision.log, device):
            yield warning(decision.protocol, place, message, hint)
        for code, message, hint in _unseen(decision):
            yield warning(decision.protocol, place, message, hint, code)
    for exposure in intent.exposures:
        place = exposure.origin.place
        for message, hint in _log_problem(exposure.log, device):
            yield warning(exposure.protocol, place, message, hint)
        if exposure.helper is not None and exposure.to.version == 4:
            message = (
                f"a rule sets the {exposure.helper.name} helper: without its module, for instance "
                "after an upgrade that drops packages, the firewall loads no rules at all"
            )
            hint = f"after every upgrade, before the router is connected: {install_command(device)}"
            yield warning(exposure.protocol, place, message, hint, Code.T405)


def _unseen(decision: Decision) -> Iterator[tuple[Code, str, str]]:
    """Say which signatures cannot be looked for, and what they cannot find."""
    protocol = decision.protocol
    blocked = decision.action is Action.BLOCK
    detected = {layer4 for layer4, _ in decision.detect} if blocked else set()
    if TCP in detected:
        message = f"signatures of {protocol} over TCP are not looked for: no first packet has one"
        yield Code.T406, message, "block its ports or destinations"
    if UDP in detected:
        message = f"{protocol} that already runs on another port is not found, only what begins"
        yield Code.D505, message, "it ends with its session; a block of its addresses ends it now"


def _log_problem(log: Log | None, device: Device) -> Iterator[tuple[str, str]]:
    if log is None:
        return
    if firewall_of(device) is Firewall.FW3:
        yield "fw3 rules cannot log", "leave out `log`, or upgrade to 22.03 or later"
        return
    release = release_of(device)
    if log.rate and not (release and release.limits_log):
        yield "rules before 24.10 log without a rate limit", "leave out `rate`, or upgrade"
    elif log.rate and log.burst != _BURST:
        yield f"the burst of a log is always {_BURST} lines", "leave out `burst`"
