"""Rounds: which talks can be played at once, and the ways back to their clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compiler.model.device import Address
from compiler.model.protocol import PORTED
from compiler.prove.lab import Lab
from compiler.prove.packets.talk import Talk


def apart(talks: Iterable[Talk]) -> Iterator[list[Talk]]:
    """Part talks into rounds in which no two are alike to a NAT, or to the lab's own routes."""
    left = list(talks)
    while left:
        used: set[tuple[object, ...]] = set()
        homes: dict[Address, str] = {}
        now: list[Talk] = []
        later: list[Talk] = []
        for talk in left:
            keys = set(_keys(talk))
            at_home = talk.inbound or homes.get(talk.source, talk.client) == talk.client
            if keys & used or not at_home:
                later.append(talk)
                continue
            used |= keys
            now.append(talk)
            if not talk.inbound:
                homes[talk.source] = talk.client
        yield now
        left = later


def _keys(talk: Talk) -> Iterator[tuple[object, ...]]:
    far = talk.source if talk.inbound else talk.called
    for layer4 in talk.portless:
        yield (layer4, far)
    near = talk.called if talk.inbound else talk.source
    for one in talk.wanted.values():
        if one.flow.layer4 in PORTED:
            yield (one.flow.layer4, near, far, talk.source_port, one.port)


class Routes:
    """Routes to clients' addresses that are not their own, for as long as they talk."""

    def __init__(self, lab: Lab, talks: Iterable[Talk]) -> None:
        self._lab = lab
        own = {address for c in lab.layout.clients for address in (c.ipv4, c.ipv6)}
        self._foreign = {
            talk.source: talk.client
            for talk in talks
            if not talk.inbound and talk.source not in own
        }

    def __enter__(self) -> None:
        for client in dict.fromkeys(self._foreign.values()):
            self._lab.route([a for a, at in self._foreign.items() if at == client], client)

    def __exit__(self, *_: object) -> None:
        if self._foreign:
            self._lab.router.ip(*(f"route delete {address}" for address in self._foreign))
