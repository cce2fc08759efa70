"""One run: rulesets land on a router one after another, with real VPN software around it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from compiler.errors import PassthruError
from compiler.model.device import Device, Zone
from compiler.model.finding import Code, Finding, Severity
from compiler.model.step import StepName
from compiler.model.target import Bundle, Procedure
from compiler.prove.vpn import kernel, keys, machine
from compiler.prove.vpn.machine import Event, GuestError
from compiler.prove.vpn.needs import PROTOCOLS, Where, missing
from compiler.prove.vpn.result import VpnResult, read_result

#: A new tunnel may take so long, on a machine that is busy. A dead one is known much sooner.
_PATIENCE = 180.0
#: This bounds a guest that hangs; a run takes one to three minutes.
_SECONDS = 900.0
_LAN4, _LAN6 = "192.168.1.0/24", "2001:db8:1::/64"
Tell = Callable[[str], None]


class VpnError(PassthruError):
    """The vpn tier cannot run here, or its guest failed: nothing is known about the rules."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Files for the router, and a script that applies them in their folder.

    ``only`` names the protocols to look at under this ruleset (empty: all of the run).
    """

    name: str
    bundle: Bundle
    script: str
    only: tuple[str, ...] = ()


def ruleset(name: str, bundle: Bundle, procedure: Procedure, only: Sequence[str] = ()) -> Ruleset:
    """Take a compiled router as it is pushed: its bundle, and the apply step of its procedure.

    Raises:
        VpnError: the procedure applies nothing by a script (E853).
    """
    step = procedure.step(StepName.APPLY)
    if step is None or not step.script:
        raise VpnError.of(Code.E853, f"'{name}' is not applied by a script, so it cannot be run")
    return Ruleset(name, bundle, step.script, tuple(only))


def run(
    rulesets: Sequence[Ruleset],
    device: Device,
    protocols: Sequence[str] | None = None,
    where: Where = Where.MACHINE,
    *,
    seconds: float = _SECONDS,
    tell: Tell | None = None,
) -> tuple[VpnResult, ...]:
    """Run real VPN software through a router of the device's interfaces and networks.

    Rulesets land in their order. Tunnels that are up when one lands are watched (phase
    ``running``); then all software is started anew (phase ``new``). ``tell`` hears of progress.
    Ends within ``seconds``; nothing is left on this machine.

    Raises:
        VpnError: something is missing (E851), the guest failed or took too long (E852), or the
            device or a ruleset cannot be put up there (E853).
    """
    chosen = tuple(PROTOCOLS[where] if protocols is None else protocols)
    _refuse(missing(chosen, where))
    job = {
        "machine": where is Where.MACHINE,
        "wiring": wiring(device),
        "tunnels": list(chosen),
        "rulesets": [_entry(one) for one in rulesets],
        "keys": keys.make(),
        "patience": _PATIENCE,
    }
    names = [one.name for one in rulesets]
    results: list[VpnResult] = []
    try:
        with closing(_start(job, where, seconds)) as events:
            for event in events:
                if event["kind"] == "result":
                    results.append(read_result(event, names))
                if tell is not None:
                    tell(_progress(event, names, results))
    except GuestError as error:
        raise VpnError.of(
            Code.E852, f"the {where} of the vpn tier: {error}", hint="\n".join(error.last[-8:])
        ) from error
    return tuple(sorted(results, key=lambda r: (names.index(r.ruleset), chosen.index(r.protocol))))


def _start(job: Mapping[str, Any], where: Where, seconds: float) -> Generator[Event]:
    if where is Where.NAMESPACES:
        return machine.in_namespaces(job, seconds)
    found, _ = kernel.find()
    if found is None:  # gone since it was looked for
        raise VpnError.of(Code.E851, "the kernel for the virtual machine is gone")
    return machine.in_machine(found, job, seconds)


def _refuse(lacks: Sequence[str]) -> None:
    if lacks:
        raise VpnError([
            Finding(Code.E851, text, Severity.ERROR) for text in lacks
        ])  # fmt: skip


def wiring(device: Device) -> dict[str, str]:
    """Choose the router's interfaces and networks for the lab: the first LAN and the first WAN.

    Raises:
        VpnError: a side has no interface, or its network is too small for the lab (E853).
    """
    lan, wan = _side(device, device.lan_zones, "LAN"), _side(device, device.wan_zones, "WAN")
    own = {net.version: net for net in reversed(lan.networks)}
    four, six = str(own.get(4, _LAN4)), str(own.get(6, _LAN6))
    for network in (four, six):
        if ip_network(network).num_addresses < 64:
            raise VpnError.of(Code.E853, f"{network} is too small for the clients of the lab")
    return {"lan": lan.devices[0], "wan": wan.devices[0], "lan4": four, "lan6": six}


def _side(device: Device, zones: Sequence[Zone], word: str) -> Zone:
    found = next((zone for zone in zones if zone.devices), None)
    if found is None:
        raise VpnError.of(Code.E853, f"no {word} zone of '{device.name}' names an interface")
    return found


def _entry(one: Ruleset) -> dict[str, Any]:
    files = [[file.path, file.mode, file.content.decode()] for file in one.bundle.files]
    return {"name": one.name, "files": files, "script": one.script, "only": list(one.only)}


def _progress(event: Event, names: Sequence[str], results: Sequence[VpnResult]) -> str:
    match event["kind"]:
        case "landed":
            return f"'{names[event['ruleset']]}' has landed"
        case "result":
            last = results[-1]
            return f"{last.protocol} {last.client}, {last.phase}: {last.outcome}: {last.says}"
        case "started":
            return "the guest has started"
        case _:
            return "the lab is ready"
