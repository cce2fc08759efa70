"""The catalogue itself: look a protocol up, walk the small tree, know the shared ports."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from ruamel.yaml import YAML

from compiler.catalogue.read import protocol_from
from compiler.model.protocol import TCP, UDP, PortRange, Protocol

#: The plain web and DNS; blocking them breaks everything, whoever else uses them.
_EVERYBODYS_PORTS = (PortRange(53, 53), PortRange(80, 80), PortRange(443, 443))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The protocols that a run knows, by id, sorted."""

    protocols: Mapping[str, Protocol]

    def get(self, name: str) -> Protocol | None:
        """Find a protocol by its id or one of its aliases."""
        found = self.protocols.get(name)
        if found is not None:
            return found
        return next((p for p in self.protocols.values() if name in p.aliases), None)

    def children(self, id_: str) -> tuple[Protocol, ...]:
        """Give the direct parts of a protocol: IKEv1, IKEv2 and AH of ``ipsec``."""
        return tuple(p for p in self.protocols.values() if p.part_of == id_)

    def parent(self, id_: str) -> Protocol | None:
        """Give the protocol that this one is a part of."""
        found = self.protocols.get(id_)
        return self.protocols.get(found.part_of) if found else None

    def lineage(self, id_: str) -> tuple[Protocol, ...]:
        """Give the protocol and its ancestors, up to the root; nothing for an unknown id."""
        return tuple(self._upwards(id_))

    def _upwards(self, id_: str) -> Iterator[Protocol]:
        current = self.protocols.get(id_)
        while current is not None:
            yield current
            current = self.protocols.get(current.part_of)

    def shared_ports(self, layer4: int) -> tuple[PortRange, ...]:
        """Give the ports that the rest of the internet uses too.

        Those of every shared flow, and the plain web and DNS; none for a protocol without ports.
        """
        common = _EVERYBODYS_PORTS if layer4 in (TCP, UDP) else ()
        of_flows = (
            ports
            for protocol in self.protocols.values()
            for flow in protocol.flows
            if flow.shared and flow.layer4 == layer4
            for ports in flow.ports
        )
        return tuple(sorted({*common, *of_flows}))

    def suggest(self, name: str) -> str | None:
        """Give the id or alias that somebody who wrote ``name`` may have meant."""
        words = [word for p in self.protocols.values() for word in (p.id, *p.aliases)]
        close = difflib.get_close_matches(name.lower(), words, 1)
        return close[0] if close else None


@cache
def builtin() -> Catalogue:
    """Give the protocols that come with the program.

    The files are package data that the tests hold against the schema, so reading them checks
    nothing and costs about 10 ms.
    """
    reader = YAML(typ="safe")
    folder = resources.files(__package__).joinpath("protocols")
    found: dict[str, Protocol] = {}
    for file in folder.iterdir():
        if file.name.endswith(".yaml"):
            data = reader.load(file.read_text(encoding="utf-8"))
            for id_, entry in data["protocols"].items():
                found[id_] = protocol_from(id_, entry, builtin=True)
    return Catalogue(MappingProxyType(dict(sorted(found.items()))))
