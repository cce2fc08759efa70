"""What a person should make of a result, in words that come from the catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.catalogue import Catalogue
from compiler.model.protocol import Protocol
from compiler.probe.result import FlowResult, Result, State


def advice_of(result: Result, catalogue: Catalogue) -> dict[tuple[str, str], str]:
    """Give a piece of advice for each protocol and family of which something was lost."""
    translated = {way.family for way in result.ways if way.translated}
    found = {}
    for (name, family), flows in result.groups().items():
        said = _said(catalogue.protocols[name], flows, nat=family in translated)
        if said:
            found[name, family] = " ".join(said)
    return found


def _said(protocol: Protocol, flows: Sequence[FlowResult], *, nat: bool) -> list[str]:
    lost = [flow for flow in flows if flow.state is State.LOST]
    said = [one for one in (_helper(protocol, flows, lost),) if one]
    rest = [flow for flow in lost if not (said and flow.carried)]
    said += [
        _blocked([flow for flow in rest if (flow.lost, flow.why) == why])
        for why in dict.fromkeys((flow.lost, flow.why) for flow in rest)
    ]
    if nat and any(flow.portless for flow in rest):
        said.append(_first_sentence(protocol.background.nat))
        needed = _first_sentence(protocol.background.passthrough)
        said.append(f"Whether passthrough is needed: {needed}")
    return said


def _helper(protocol: Protocol, flows: Sequence[FlowResult], lost: Sequence[FlowResult]) -> str:
    """Recognise the missing NAT helper: what announces the tunnel passes, the tunnel does not."""
    carried = [flow for flow in lost if flow.carried]
    leading = [flow for flow in flows if not flow.carried]
    if protocol.helper is None or not carried or any(f.state is not State.PASSED for f in leading):
        return ""
    names = _and([flow.flow.partition(".")[2] for flow in leading])
    packets = _and([flow.packets.upper() for flow in carried])
    modules = ", ".join(protocol.helper.modules)
    return (
        f"{names} connects, {packets} is lost: {protocol.name} passthrough is off or the helper is"
        f" missing (Linux: {modules})."
    )


def _blocked(flows: Sequence[FlowResult]) -> str:
    packets = _and(sorted({flow.packets for flow in flows}))
    if flows[0].lost == "back":
        return f"{packets}: goes out, and is lost on the way back: {flows[0].why}."
    return f"{packets}: blocked on the way out: {flows[0].why}."


def _and(words: Sequence[str]) -> str:
    unique = list(dict.fromkeys(words))
    return " and ".join(unique) if len(unique) < 3 else f"{', '.join(unique[:-1])} and {unique[-1]}"


def _first_sentence(text: str) -> str:
    """Give the first sentence of a catalogue text."""
    first, stop, _ = " ".join(text.split()).partition(". ")
    return first + ("." if stop else "")
