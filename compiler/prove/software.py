"""The tier ``vpn`` for one router: real VPN software through its bundle, as a proof.

First lands a bundle that passes everything that the policy decides, and tunnels come up; then the
policy's own bundle lands on the running tunnels, and all software is started anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from compiler.catalogue import builtin
from compiler.errors import PassthruError
from compiler.model.datapath import Modelled
from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action, Decision, Intent, Limits
from compiler.model.protocol import Family
from compiler.model.target import Target
from compiler.prove import vpn
from compiler.prove.result import Check, Experience, Kind, Loss, RouterProof

TIER = "vpn"
_OPEN, _POLICY = "open", "policy"
#: Software of the tier: the protocol that decides about it. L2TP/IPsec looks like IKEv1 outside.
_DECIDES: Mapping[str, str] = MappingProxyType(
    {
        "pptp": "pptp",
        "l2tp": "l2tp",
        "l2tp-ipsec": "ikev1",
        "ikev1": "ikev1",
        "ikev1-esp": "ikev1",
        "ikev2": "ikev2",
        "ikev2-esp": "ikev2",
        "openvpn-udp": "openvpn",
        "openvpn-tcp": "openvpn",
        "wireguard": "wireguard",
    }
)
#: Raw ESP is shown over IPv6, where no NAT is.
_OVER_IPV6 = frozenset({"ikev1-esp", "ikev2-esp"})
_FOUND = MappingProxyType(
    {
        vpn.Outcome.PASSED: Experience.PASSED,
        vpn.Outcome.CUT: Experience.BLOCKED,
        vpn.Outcome.BLOCKED: Experience.BLOCKED,
        vpn.Outcome.PARTLY: Experience.PARTLY,
        vpn.Outcome.BROKEN: Experience.PARTLY,
    }
)


def prove(target: Target[Any], settings: Any, device: Device, intent: Intent) -> RouterProof:
    """Put a router's bundle to the proof; what cannot be proven is a finding.

    Raises:
        VpnError: E851 to E853, something is missing or the guest fails.
    """
    empty = RouterProof((device.name,), target.name, TIER)
    reason = _unfit(target, settings, device)
    if reason:
        return replace(empty, findings=(_unproven(reason, device, Code.E803),))
    judged = {name: found for name in vpn.PROTOCOLS[vpn.Where.MACHINE]
              if _family(name) in device.families
              and (found := _decision(intent, name)) is not None}  # fmt: skip
    skipped = sorted({d.protocol for d in intent.decisions} - {d.protocol for d in judged.values()})
    findings = []
    if skipped:
        message = f"not proven with real software: {', '.join(skipped)} (limited, or none is known)"
        findings.append(_unproven(message, device, Code.E804))
    if not judged:
        return replace(empty, findings=tuple(findings))
    open_settings = target.settings(_opened(intent), device)
    rulesets = [
        vpn.ruleset(name, target.render(found, device), target.procedure(found, device))
        for name, found in ((_OPEN, open_settings), (_POLICY, settings))
    ]
    results = vpn.run(rulesets, device, tuple(judged), tell=_tell if sys.stderr.isatty() else None)
    findings += _never_up(results, device)
    checks = tuple(_checks(results, judged))
    return replace(empty, checks=checks, findings=tuple(findings))


def _unfit(target: Target[Any], settings: Any, device: Device) -> str:
    """Say why a router is none that the tier can run; empty when it is."""
    if not isinstance(target, Modelled):
        return f"not provable: the bundle of '{target.name}' runs on its own firmware only"
    try:
        path = target.data_path(settings, device)
    except PassthruError as error:
        return f"not provable: {error.findings[0].message}"
    if path.modelled:
        return f"not provable: the bundle of '{target.name}' runs on its own firmware only"
    return "" if path.translates else "not provable: the bundle needs another firewall beside it"


def _unproven(message: str, device: Device, code: Code) -> Finding:
    return Finding(code, message, Severity.WARNING, device.place, host=device.name)


def _family(software: str) -> Family:
    return Family.IPV6 if software in _OVER_IPV6 else Family.IPV4


def _decision(intent: Intent, software: str) -> Decision | None:
    """Find the decision about some software, where it holds for every client and server."""
    found = intent.decision(_DECIDES.get(software, ""))
    if found is None or not found.limits.everywhere or found.action is Action.KEEP:
        return None
    return found


def _opened(intent: Intent) -> Intent:
    """Pass whatever the policy decides, with its NAT helper, so that tunnels come up."""
    known = builtin()
    decisions = tuple(
        replace(
            one,
            action=Action.PASS,
            limits=Limits(),
            detect=(),
            log=None,
            helper=one.helper or (found.helper if (found := known.get(one.protocol)) else None),
        )
        for one in intent.decisions
    )
    return replace(intent, decisions=decisions, exposures=())


def _never_up(results: Iterable[vpn.VpnResult], device: Device) -> list[Finding]:
    """Name software that brings no tunnel up even where all is passed: it proves nothing."""
    broken = sorted(
        {r.protocol for r in results if r.ruleset == _OPEN and r.outcome is not vpn.Outcome.PASSED}
    )
    if not broken:
        return []
    names = ", ".join(broken)
    message = f"{names}: no tunnel comes up even where everything passes"
    return [_unproven(message, device, Code.E804)]


def _checks(results: Iterable[vpn.VpnResult], judged: Mapping[str, Decision]) -> Iterator[Check]:
    for result in results:
        if result.ruleset != _POLICY:
            continue
        decision = judged[result.protocol]
        running = result.phase is vpn.Phase.RUNNING
        check = Check(
            Kind.RUNNING if running else Kind.VPN,
            decision.protocol,
            result.protocol,
            _family(result.protocol),
            f"c{result.client}",
            "lan",
            "lan > wan",
            "",
            "",
            decision.action,
            _FOUND[result.outcome],
            place=decision.origin.place,
        )
        if not check.as_wanted:
            last = "; ".join(result.evidence[-2:])
            check = replace(check, lost=Loss("a tunnel", "", result.says, last))
        yield check


def _tell(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text[:78]}")
    sys.stderr.flush()
