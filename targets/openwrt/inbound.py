"""From exposures to sections: IPv4 comes in by DNAT (redirect), IPv6 by a rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from compiler.model.device import Device, Zone
from compiler.model.finding import Code, Finding
from compiler.model.intent import Exposure, Intent
from compiler.model.judge import home_zone
from compiler.model.protocol import Family, Flow, Helper
from targets.openwrt.parts import (
    helper_problem,
    log_options,
    networks,
    port_problem,
    ports,
    problem,
    proto,
)
from targets.openwrt.settings import section_name, title
from targets.openwrt.uci import Section, Value

_Options = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One exposure seen from one WAN zone; ``number`` tells exposures of a protocol apart."""

    exposure: Exposure
    number: int
    wan: Zone
    home: Zone

    @property
    def family(self) -> Family:
        """The family of the server's address."""
        return Family.IPV4 if self.exposure.to.version == 4 else Family.IPV6

    @property
    def sources(self) -> tuple[str, ...] | None:
        """Networks that may come in, empty for anybody; ``None``: nobody of this family."""
        listed = networks(self.exposure.sources, self.family)
        return None if self.exposure.sources and not listed else tuple(map(str, listed))

    def name(self, *what: str) -> str:
        """Build a section name."""
        zone = self.wan.name
        return section_name("expose", self.exposure.protocol, str(self.number), *what, zone)

    def title(self, *what: str) -> str:
        """Build the name for people."""
        protocol, to = self.exposure.protocol, str(self.exposure.to)
        return title(protocol, *what, "from", self.wan.name, "to", to)


def problems(intent: Intent, device: Device) -> Iterator[Finding]:
    """Say which exposures cannot be written for this router."""
    for exposure in intent.exposures:
        place, protocol = exposure.origin.place, exposure.protocol
        if home_zone(device, exposure.to) is None:
            message = f"no lan zone's networks hold {exposure.to}, so its zone is not known"
            hint = "state the networks of the zone in passthru_zones"
            yield problem(device, protocol, place, Code.T404, message, hint)
        found = [port_problem(device, protocol, place, flow) for flow in exposure.flows]
        helper = _helper(exposure)
        if helper is not None:
            found.append(helper_problem(device, protocol, place, helper, must_state=True))
        yield from (each for each in found if each is not None)


def sections(intent: Intent, device: Device) -> Iterator[Section]:
    """Give the sections that let each exposure in."""
    for number, exposure in enumerate(intent.exposures, 1):
        home = home_zone(device, exposure.to)
        for wan in device.wan_zones if home else ():
            assert home is not None  # noqa: S101 - mypy cannot see the condition of the loop
            entry = Entry(exposure, number, wan, home)
            helper = _helper(exposure)
            if helper is not None:
                yield _assignment(entry, helper)
            for flow in exposure.flows:
                if entry.family in flow.families:
                    yield from _opened(entry, flow, device)


def _helper(exposure: Exposure) -> Helper | None:
    """Give the helper that must be assigned in the WAN zones, where fw4 never does it itself."""
    family = Family.IPV4 if exposure.to.version == 4 else Family.IPV6
    helper = exposure.helper
    return helper if helper is not None and family in helper.families else None


def _assignment(entry: Entry, helper: Helper) -> Section:
    options: _Options = (
        ("name", entry.title("helper")),
        ("src", entry.wan.name),
        ("family", str(entry.family)),
        ("proto", "tcp"),
        ("dest_port", (str(helper.port),)),
        ("target", "HELPER"),
        ("set_helper", helper.name),
    )
    return Section("rule", entry.name("helper", helper.name), options)


def _opened(entry: Entry, flow: Flow, device: Device) -> Iterator[Section]:
    sources = entry.sources
    if sources is None:
        return
    name = entry.title(flow.id.removeprefix(f"{entry.exposure.protocol}."))
    opened = tuple(map(str, ports(flow)))
    common: _Options = (
        ("name", name),
        ("src", entry.wan.name),
        ("dest", entry.home.name),
        ("family", str(entry.family)),
        ("proto", proto(flow)),
        ("dest_ip", str(entry.exposure.to)),
        *log_options(entry.exposure.log, name, device),
    )
    if entry.family is Family.IPV6:
        lists = {"dest_port": opened, "src_ip": sources}
        extra: _Options = tuple((option, items) for option, items in lists.items() if items)
        yield Section("rule", entry.name(flow.id), (*common, ("target", "ACCEPT"), *extra))
        return
    # a redirect takes one source and one port range; without reflection it asks for no WAN address
    for index, (source, port) in enumerate(product(sources or ("",), opened or ("",)), 1):
        single = (("src_ip", source), ("src_dport", port), ("reflection", "0"), ("target", "DNAT"))
        options = (*common, *((option, value) for option, value in single if value))
        yield Section("redirect", entry.name(flow.id, str(index)), options)
