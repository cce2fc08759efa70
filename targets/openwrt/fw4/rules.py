"""``config rule``: into which chain each goes, and what it matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.addresses import NOTHING, Group, address_parts, groups, split
from targets.openwrt.fw4.matches import (
    PORTED,
    checked_name,
    common_parts,
    family_of,
    port_parts,
    set_and_protocols,
    set_part,
)
from targets.openwrt.fw4.ruleset import Rule
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import (
    LONGEST_DEVICE,
    SetFound,
    State,
    Zone,
    ZoneName,
    infer_family,
)
from targets.openwrt.fw4.values import Ports, Protocol

_MARKING = ("mark", "dscp")


def add(state: State, origin: str, options: dict[str, Any]) -> None:
    """Take a rule in.

    Raises:
        Vanishes: fw4 skips it.
    """
    _check(options)
    checked_name(state, origin, options)
    found, protocols = set_and_protocols(state, options)
    if options.get("target") == "helper":
        state.check_helper(origin, options["set_helper"])
    _tell_traps(state, origin, options)
    for protocol in protocols:
        expansion = _Expansion(state, origin, options, protocol, found)
        for rule in expansion.rules():
            state.add(expansion.chain, rule)


def _check(options: dict[str, Any]) -> None:
    target, source = options.get("target"), options.get("src")
    if target in ("helper", "notrack") and (source is None or source.any):
        raise Vanishes(f"the target '{target}' needs a source zone")
    if target == "dscp" and "set_dscp" not in options:
        raise Vanishes("the target 'dscp' needs 'set_dscp'")
    if target == "mark" and "set_mark" not in options and "set_xmark" not in options:
        raise Vanishes("the target 'mark' needs 'set_mark' or 'set_xmark'")
    if target == "helper" and "set_helper" not in options:
        raise Vanishes("the target 'helper' needs 'set_helper'")
    if "device" in options and options["device"].word == "*":
        raise Vanishes("'*' is no device")


def _tell_traps(state: State, origin: str, options: dict[str, Any]) -> None:
    protocols: Sequence[Protocol] = options.get("proto", ())
    for protocol in protocols:
        if protocol.negated:
            trap = f"fw4 reads proto '!{protocol.name}' as '{protocol.name}'"
            state.traps.append((origin, trap))
        stated = options.get("dest_port") or options.get("src_port")
        if stated and protocol.name not in PORTED:
            name = "all" if protocol.any else protocol.name
            state.traps.append((origin, f"fw4 drops the ports for proto '{name}': it matches all"))
    if "target" not in options:
        state.traps.append((origin, "without a target it only counts packets"))


@dataclass(frozen=True, slots=True)
class _Expansion:
    """One rule section for one protocol; it may give several rules, or none."""

    state: State
    origin: str
    options: dict[str, Any]
    protocol: Protocol
    set: SetFound | None

    @property
    def target(self) -> str:
        return str(self.options.get("target", ""))

    @property
    def source(self) -> ZoneName | None:
        found: ZoneName | None = self.options.get("src")
        return found

    @property
    def destination(self) -> ZoneName | None:
        found: ZoneName | None = self.options.get("dest")
        return found

    @property
    def chain(self) -> str:
        source, destination = self.source, self.destination
        if self.target in ("notrack", "helper"):
            assert source is not None and source.zone is not None  # noqa: PT018, S101 - checked
            return f"{self.target}_{source.zone.name}"
        if self.target in _MARKING:
            return _marking_chain(source, destination)
        if source is None:
            return (
                f"output_{destination.zone.name}" if destination and destination.zone else "output"
            )
        word = "forward" if destination else "input"
        return f"{word}_{source.zone.name}" if source.zone else word

    def rules(self) -> Iterator[Rule]:
        ported_ = self.protocol.name in PORTED
        sports = self.options.get("src_port", ()) if ported_ else ()
        dports = self.options.get("dest_port", ()) if ported_ else ()
        sources, destinations = (
            split(self.options.get("src_ip")),
            split(self.options.get("dest_ip")),
        )
        self.state.check_addresses(self.origin, sources.v4 + sources.v6)
        self.state.check_addresses(self.origin, destinations.v4 + destinations.v6)
        family = self._family(sources.family, destinations.family)
        if isinstance(family, str):
            self.state.vanished.append((self.origin, family))
            return
        doubts = [nft.doubt(each.doubt) for each in (sources, destinations) if each.doubt]
        families = self._families(family, (*sources.v4, *destinations.v4),
                                  (*sources.v6, *destinations.v6))  # fmt: skip
        try:
            end = [*doubts, *self._end()]
        except Vanishes as reason:
            self.state.vanished.append((self.origin, str(reason)))
            return
        for version in families:
            for saddrs in groups(sources.of(version)) if version else [NOTHING]:
                for daddrs in groups(destinations.of(version)) if version else [NOTHING]:
                    parts = self._head(version, saddrs, daddrs, sports, dports)
                    for statement in self._statements(version):
                        found = (*parts, *end, *statement)
                        comment = f"!fw4: {self.options.get('name') or self.origin}"
                        yield Rule(found, self._told(), comment)

    def _told(self) -> str:
        return f"{self.origin} {self.target.upper()}".strip()

    def _family(self, sources: int, destinations: int) -> int | str | None:
        stated: int | None = self.options.get("family")
        if self.protocol.name == "ipv6-icmp":
            stated = 6
        helper, setting = self.options.get("helper"), self.options.get("set_helper")
        return infer_family(
            stated,
            self.set.family if self.set else None,
            sources,
            destinations,
            family_of(self.source),
            family_of(self.destination),
            helper.family if helper else None,
            setting.family if setting else None,
        )

    def _families(
        self, family: int | None, v4: Sequence[object], v6: Sequence[object]
    ) -> tuple[int, ...]:
        """Give the families of the rules to write; 0 is one rule for both."""
        dscp = "dscp" in self.options
        four, six = bool(v4) or dscp, bool(v6) or dscp
        if family is None:
            family = 4 if four and not six else 6 if six and not four else 0
        if not family and self.target != "dscp" and not four and not six:
            return (0,)
        return (family,) if family else (4, 6)

    def _head(
        self, family: int, saddrs: Group, daddrs: Group, sports: Sequence[Ports],
        dports: Sequence[Ports],
    ) -> list[nft.Part]:  # fmt: skip
        parts = []
        if family and not any(saddrs) and not any(daddrs):
            parts.append(nft.match("meta nfproto", [f"ipv{family}"]))
        if not self.protocol.any and not sports and not dports:
            parts.append(nft.match("meta l4proto", self._numbers(family)))
        parts += self._device_parts()
        if family:
            parts += address_parts(saddrs, family, "saddr")
            parts += address_parts(daddrs, family, "daddr")
        parts += port_parts(self.protocol.name, sports, "sport")
        parts += port_parts(self.protocol.name, dports, "dport")
        return parts

    def _numbers(self, family: int) -> list[str]:
        if self.protocol.name == "icmp" and family != 4:
            return ["58"] if family == 6 else ["1", "58"]
        return [self.state.protocol(self.origin, self.protocol.name)]

    def _device_parts(self) -> Iterator[nft.Part]:
        found: dict[str, Sequence[str]] = {}
        if self.target in _MARKING:
            for name, zone in (("iifname", self.source), ("oifname", self.destination)):
                if zone is not None and zone.zone is not None and zone.zone.devices:
                    found[name] = zone.zone.devices
        device = self.options.get("device")
        if device is not None:
            out = self.options.get("direction") == "out"
            found["oifname" if out else "iifname"] = [device.word]
            if len(device.word) > LONGEST_DEVICE:
                message = f"{self.origin}: nft refuses the device name '{device.word}'"
                self.state.refusals.append(message)
        for name in ("iifname", "oifname"):
            if name in found:
                yield nft.match(name, found[name])

    def _end(self) -> Iterator[nft.Part]:
        if self.options.get("icmp_type") and self.protocol.name in ("icmp", "ipv6-icmp"):
            yield nft.doubt("types of ICMP packets are not looked at here")
        yield from common_parts(self.options)
        if self.set is not None:
            yield set_part(self.state, self.origin, self.options, self.set, self.protocol.name)

    def _statements(self, family: int) -> Iterator[tuple[nft.Part, ...]]:
        dscp = self.options.get("dscp")
        parts: list[nft.Part] = []
        if dscp is not None:
            left = f"{'ip' if family == 4 else 'ip6'} dscp"
            parts.append(nft.match(left, [str(dscp[0])], negated=dscp[1]))
        if self.options["counter"]:
            parts.append(nft.COUNTER)
        yield (*parts, *self._target(family))

    def _target(self, family: int) -> Iterator[nft.Part]:
        target = self.target
        if target == "mark":
            stated = self.options.get("set_mark") or self.options["set_xmark"]
            mask = stated.mask
            if "set_mark" in self.options:
                mask |= stated.number
            yield nft.set_mark(stated.number, mask)
        elif target == "dscp":
            yield nft.set_dscp("ip" if family == 4 else "ip6", self.options["set_dscp"][0])
        elif target == "notrack":
            self._source_zone().notrack = True
            yield nft.NOTRACK
        elif target == "helper":
            self._source_zone().helper = True
            yield nft.set_helper(self.options["set_helper"].name)
        elif target:
            yield self._verdict()

    def _source_zone(self) -> Zone:
        assert self.source is not None and self.source.zone is not None  # noqa: PT018, S101 - checked
        return self.source.zone

    def _verdict(self) -> nft.Part:
        target, source, destination = self.target, self.source, self.destination
        if target not in ("accept", "reject", "drop"):
            self.state.refusals.append(
                f"{self.origin}: nft refuses the target '{target}' in a rule"
            )
            return nft.opaque(f"the target '{target}'")
        if destination is not None and destination.zone is not None:
            destination.zone.leads_to.add(target)
            return nft.jump(f"{target}_to_{destination.zone.name}")
        logs = source is not None and source.zone is not None and source.zone.options.get("log")
        if logs and target != "accept":
            self._source_zone().comes_from.add(target)
            return nft.jump(f"{target}_from_{self._source_zone().name}")
        return nft.jump("handle_reject") if target == "reject" else nft.verdict(target)


def _marking_chain(source: ZoneName | None, destination: ZoneName | None) -> str:
    from_zone = source is not None and not source.any
    to_zone = destination is not None and not destination.any
    from_any, to_any = (
        source is not None and source.any,
        destination is not None and destination.any,
    )
    if (from_any and to_any) or (from_zone and to_zone):
        return "mangle_forward"
    if from_any and to_zone:
        return "mangle_postrouting"
    if from_zone and to_any:
        return "mangle_prerouting"
    return "mangle_input" if source is not None and destination is None else "mangle_output"
