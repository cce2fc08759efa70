"""``passthru effects``: what an existing config does to each VPN protocol, without any policy."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from compiler.cli.existing import device_of, name_of, native_of
from compiler.cli.options import output_option
from compiler.cli.report import findings_data, print_findings
from compiler.errors import ExitCode, NativeError, TargetError
from compiler.model.effect import Effect, HelperState, Verdict
from compiler.model.finding import Code, Finding, Place
from compiler.source.excerpt import printable

if TYPE_CHECKING:
    from compiler.catalogue import Catalogue
    from compiler.model.device import Device
    from compiler.model.protocol import Protocol
    from compiler.model.survey import Survey, Surveys

SCHEMA = "passthru/effects/v1"
_COLORS = {"pass": "green", "drop": "red", "reject": "red", "partial": "yellow"}


@dataclass(frozen=True, slots=True)
class Judged:
    """One protocol under a config: the verdict, the helper's state, and the effects."""

    protocol: Protocol
    verdict: str
    helper: HelperState
    effects: tuple[Effect, ...]


@click.command("effects")
@click.argument("target")
@click.argument("file")
@click.option("--lan", multiple=True, metavar="IFACE", help="An interface of a LAN (repeatable).")
@click.option("--wan", multiple=True, metavar="IFACE", help="An interface of a WAN (repeatable).")
@click.option(
    "--fact", multiple=True, metavar="NAME=VALUE", help="What the text does not say: kernel=6.1"
)
@click.option("--host", metavar="HOST", help="Take zones and facts of this router.")
@click.option("-i", "--inventory", multiple=True, metavar="PATH", help="Inventory of --host.")
@click.option("-p", "--policy", multiple=True, metavar="PATH", help="Add the protocols beside it.")
@output_option("text", "json")
def effects_command(target: str, file: str, output: str, **options: Any) -> int:
    """Tell what the config FILE of a router of family TARGET does to each VPN protocol.

    FILE is what the router itself prints; `-` reads standard input. Zones are concluded from it
    where neither --lan and --wan nor --host name them.
    """
    reader = _reader(target)
    device = device_of(target, options)
    survey = _survey(reader, file, device)
    judged = judge(survey, _catalogue(options["policy"]))
    if output == "json":
        click.echo(json.dumps(_data(target, survey, judged), indent=1))
    else:
        print_findings(survey.findings)
        click.echo("\n".join(_text(survey, judged)))
    return ExitCode.OK


def _reader(name: str) -> Surveys:
    from compiler.build.registry import installed  # noqa: PLC0415 - keeps --help quick
    from compiler.model.survey import Surveys  # noqa: PLC0415

    registry = installed()
    found = registry.get(name)
    if isinstance(found, Surveys):
        return found
    able = [each for each in registry.names if isinstance(registry.get(each), Surveys)]
    raise TargetError.of(
        Code.T406,
        f"no config of a '{name}' router can be read",
        hint=f"families whose configs can: {', '.join(able)}",
    )


def _catalogue(policies: Sequence[str]) -> Catalogue:
    from compiler.catalogue import builtin, extend  # noqa: PLC0415
    from compiler.policy.plays import protocol_documents  # noqa: PLC0415

    return extend(builtin(), protocol_documents([Path(path) for path in policies]))


def _survey(reader: Surveys, file: str, device: Device | None) -> Survey:
    name = name_of(file)
    native = native_of(file)
    try:
        found = reader.survey(native, device)
    except NativeError as error:
        raise NativeError([_placed(each, name) for each in error.findings]) from None
    return replace(found, findings=tuple(_placed(each, name) for each in found.findings))


def _placed(finding: Finding, name: str) -> Finding:
    """Name the file. Lines of it are not shown: they may hold passwords."""
    place = finding.place or Place("")
    inside = f" ({place.file})" if place.file else ""
    return replace(finding, place=replace(place, file=f"{name}{inside}"))


# -- what it does


def judge(survey: Survey, catalogue: Catalogue) -> tuple[Judged, ...]:
    """Say for every protocol of a catalogue what a surveyed config does to it."""
    from compiler.model.judge import plain_probes  # noqa: PLC0415
    from compiler.policy.flows import own_flows  # noqa: PLC0415

    found = []
    for protocol in catalogue.protocols.values():
        probes = plain_probes(own_flows(protocol, catalogue), survey.device)
        effects = survey.effects(probes)
        found.append(Judged(protocol, _verdict(effects), _helper(effects), effects))
    return tuple(found)


def _verdict(effects: Sequence[Effect]) -> str:
    """Join verdicts: passing in one place and not in another is partial, whatever else is."""
    verdicts = {"drop" if e.verdict.blocks else str(e.verdict) for e in effects}
    if {"pass", "drop"} <= verdicts:
        return "partial"
    return verdicts.pop() if len(verdicts) == 1 else str(Verdict.UNKNOWN)


def _helper(effects: Sequence[Effect]) -> HelperState:
    states = {e.helper for e in effects} - {HelperState.NOT_NEEDED}
    if not states:
        return HelperState.NOT_NEEDED
    return states.pop() if len(states) == 1 else HelperState.UNKNOWN


def _merged(effects: Sequence[Effect]) -> Iterator[tuple[Effect, bool]]:
    """Give one effect for each flow, family and pair of zones, or one a port where they differ."""
    groups: dict[tuple[str, str, str, str], list[Effect]] = {}
    for effect in effects:
        probe = effect.probe
        key = (probe.flow.id, str(probe.family), probe.source, probe.destination)
        groups.setdefault(key, []).append(effect)
    for group in groups.values():
        same = len({effect.verdict for effect in group}) == 1
        yield from ((effect, not same) for effect in (group[:1] if same else group))


# -- output


def _data(target: str, survey: Survey, judged: Sequence[Judged]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "target": target,
        "zones": [
            {
                "name": zone.name,
                "role": str(zone.role),
                "interfaces": list(zone.devices),
                "networks": [str(network) for network in zone.networks],
            }
            for zone in survey.device.zones
        ],
        "helpers": [
            {"name": each.name, "state": str(each.state), "because": each.because}
            for each in survey.helpers
        ],
        "protocols": {
            each.protocol.id: {
                "verdict": each.verdict,
                "helper": str(each.helper),
                "flows": [_flow_data(*pair) for pair in _merged(each.effects)],
            }
            for each in judged
        },
        "findings": findings_data(survey.findings),
    }


def _flow_data(effect: Effect, with_port: bool) -> dict[str, Any]:  # noqa: FBT001
    probe = effect.probe
    data: dict[str, Any] = {
        "flow": probe.flow.id,
        "family": str(probe.family),
        "from": probe.source,
        "to": probe.destination,
        "verdict": str(effect.verdict),
        "because": effect.because,
    }
    return data | ({"port": probe.port} if with_port else {})


def _text(survey: Survey, judged: Sequence[Judged]) -> Iterator[str]:
    for zone in survey.device.zones:
        links = ", ".join(zone.devices) or "any interface"
        nets = "".join(f" {network}" for network in zone.networks)
        yield printable(f"{zone.role} {zone.name}: {links}{nets}")
    for each in survey.helpers:
        yield from _wrapped(f"helper {each.name}: {each.state} ({each.because})", "", 2)
    for one in judged:
        helper = "" if one.helper is HelperState.NOT_NEEDED else f", helper {one.helper}"
        verdict = click.style(one.verdict, fg=_COLORS.get(one.verdict))
        yield ""
        yield f"{click.style(one.protocol.id, bold=True)}: {verdict}{helper}"
        yield from _flows_text(one)
    if not any(one.effects for one in judged):
        yield "there is nothing to judge: no zone faces the LAN, or none the WAN"


def _flows_text(judged: Judged) -> Iterator[str]:
    seen: dict[tuple[str, str, str], set[tuple[str, str, str]]] = {}
    for effect, with_port in _merged(judged.effects):
        probe = effect.probe
        packets = f"{probe.flow.ports_text} at {probe.port}" if with_port else probe.flow.ports_text
        key = (str(effect.verdict), f"{probe.flow.id} {packets}", effect.because)
        seen.setdefault(key, set()).add((probe.source, probe.destination, str(probe.family)))
    for (verdict, flow, because), where in seen.items():
        yield from _wrapped(f"{verdict:<7} {flow}: {_where(where)}", "  ", 8)
        yield from _wrapped(because, " " * 10, 2)


def _where(where: set[tuple[str, str, str]]) -> str:
    parts = [sorted(set(column)) for column in zip(*where, strict=True)]
    if len(parts[0]) * len(parts[1]) * len(parts[2]) == len(where):
        sources, destinations, families = (", ".join(part) for part in parts)
        return f"{sources} -> {destinations} over {families}"
    return "; ".join(f"{source} -> {to} over {family}" for source, to, family in sorted(where))


def _wrapped(text: str, indent: str, hanging: int) -> list[str]:
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    return textwrap.wrap(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent + " " * hanging,
        break_on_hyphens=False,
    )
