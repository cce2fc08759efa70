"""Effects of a table: the packets of each probe, walked through it.

A probe passes when its first packet and the reply to it pass. A tunnel that is up when the table
lands is cut when its packets are dropped in both directions although they are established.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from compiler.model.device import Device
from compiler.model.effect import Direction, Effect, HelperState, Probe, Verdict
from compiler.model.protocol import TCP, Family, Signature
from targets.linux import nft
from targets.linux.options import Options
from targets.linux.walk import Outcome, Packet, Walker

_CLIENT_PORT = 40000


def effects(
    table: nft.Table, device: Device, options: Options, probes: Sequence[Probe]
) -> tuple[Effect, ...]:
    """Say what each probe experiences."""
    walker = Walker(table)
    return tuple(_effect(walker, device, options, probe) for probe in probes)


def _effect(walker: Walker, device: Device, options: Options, probe: Probe) -> Effect:
    found = [
        _between(walker, options, probe, incoming, outgoing)
        for incoming, outgoing in _interfaces(device, probe)
    ]
    if not found:
        return Effect(probe, Verdict.UNKNOWN, f"zone '{probe.source}' has no interface here")
    worst = next((e for e in found if e.verdict is not found[0].verdict), None)
    if worst is not None:
        return replace(
            worst, verdict=Verdict.UNKNOWN, because=f"differs by interface: {worst.because}"
        )
    return replace(found[0], cuts_running=all(effect.cuts_running for effect in found))


def _interfaces(device: Device, probe: Probe) -> Iterator[tuple[str, str]]:
    source, destination = device.zone(probe.source), device.zone(probe.destination)
    for incoming in source.devices if source else ():
        for outgoing in destination.devices if destination else ():
            yield incoming, outgoing


def _between(
    walker: Walker, options: Options, probe: Probe, incoming: str, outgoing: str
) -> Effect:
    first, before = walker.prerouting(_first_packet(probe, incoming, outgoing))
    helper = _helper_state(walker, probe, incoming, outgoing)
    lost = _lost(probe, first, before)
    if lost:
        return Effect(probe, Verdict.DROP, lost, helper)
    if probe.flow.carried and helper is HelperState.ASSIGNED:
        control, _ = walker.prerouting(_control_packet(probe, incoming, outgoing))
        if walker.forward(control).verdict == "accept":
            first = replace(first, state="related")
    outcome = walker.forward(first)
    if outcome.verdict == "accept":
        back = walker.forward(_answer(probe, first))
        if back.verdict == "drop":
            outcome = Outcome("drop", f"its reply is dropped: {back.because}")
    if outcome.verdict == "drop":
        return Effect(probe, Verdict.DROP, outcome.because, helper, _cuts(walker, probe, first))
    if not options.gateway:
        because = "no rule of this table drops it; another table may"
        return Effect(probe, Verdict.UNKNOWN, because, helper)
    return Effect(probe, Verdict.PASS, outcome.because, helper)


def _lost(probe: Probe, first: Packet, before: Outcome) -> str:
    """Say why a packet never comes to the forward chain; empty when it does."""
    if before.verdict == "drop":
        return before.because
    inbound = probe.direction is Direction.IN and probe.family is Family.IPV4
    if not inbound or probe.flow.carried:
        return ""
    if not before.dnat_to:
        return f"nothing sends it on: {before.because}"
    if first.destination != probe.destination_address:
        return f"it is sent to {before.dnat_to}: {before.because}"
    return ""


def _first_packet(probe: Probe, incoming: str, outgoing: str) -> Packet:
    """Give the packet as it enters the router.

    What comes in over IPv4 is sent to the router's own address, which no rule names; the helper
    translates data that it announced, so that goes to the server at once.
    """
    to, translated = probe.destination_address, False
    if probe.direction is Direction.IN and probe.family is Family.IPV4:
        translated = probe.flow.carried
        to = to if translated else None
    return Packet(
        incoming,
        outgoing,
        str(probe.family),
        probe.flow.layer4,
        probe.source_address,
        to,
        _CLIENT_PORT,
        probe.port,
        sample_payload(probe.flow.signature),
        first_from=probe.source_address,
        first_to=to,
        answered_by=to,
        local=probe.direction is Direction.IN and to is None,
        dnat=translated,
    )


def _control_packet(probe: Probe, incoming: str, outgoing: str) -> Packet:
    helper = probe.flow.helper
    layer4, port = (helper.layer4, helper.port) if helper else (TCP, 0)
    opening = replace(probe, flow=replace(probe.flow, carried=False), port=port)
    return replace(_first_packet(opening, incoming, outgoing), layer4=layer4)


def _helper_state(walker: Walker, probe: Probe, incoming: str, outgoing: str) -> HelperState:
    helper = probe.flow.helper
    if helper is None or probe.family not in helper.families:
        return HelperState.NOT_NEEDED
    _, outcome = walker.prerouting(_control_packet(probe, incoming, outgoing))
    return HelperState.ASSIGNED if outcome.helper else HelperState.IDLE


def _reply(packet: Packet) -> Packet:
    """Give the answer to a packet, addresses already translated back."""
    return replace(
        packet,
        incoming=packet.outgoing,
        outgoing=packet.incoming,
        source=packet.destination,
        destination=packet.source,
        source_port=packet.destination_port,
        destination_port=packet.source_port,
        direction="reply" if packet.direction == "original" else "original",
    )


def _answer(probe: Probe, first: Packet) -> Packet:
    """Give the answer to a packet that passed.

    Data that no helper announced has its own number in each direction (GRE's call ID), so its
    answers belong to no connection.
    """
    if probe.flow.carried and first.state == "new":
        return _opened_by_far_end(first)
    return _reply(replace(first, state="established"))


def _cuts(walker: Walker, probe: Probe, first: Packet) -> bool:
    running = replace(first, state="established")
    packets = [running, _reply(running)]
    if probe.flow.carried:
        opened = _opened_by_far_end(running)
        packets += [opened, _reply(opened)]
    return all(walker.forward(packet).verdict == "drop" for packet in packets)


def _opened_by_far_end(packet: Packet) -> Packet:
    """Give the far end's packet of an announced connection that the far end opened."""
    far, near = packet.destination, packet.source
    turned = _reply(packet)
    return replace(turned, direction="original", first_from=far, first_to=None, answered_by=near)


def sample_payload(signature: Signature | None) -> bytes:
    """Give a payload that has the signature, or one that has none."""
    if signature is None:
        return b"\xff" * 64
    length = signature.payload_length or max(m.at + len(m.value) for m in signature.matches)
    payload = bytearray(max(length, 1))
    for match in signature.matches:
        payload[match.at : match.at + len(match.value)] = match.value
    return bytes(payload)
