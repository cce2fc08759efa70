"""Who is served at the moment, and which packet belongs to whom. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from compiler.probe.script import Part
from compiler.probe.talks import Place

#: More than this is not counted.
_MANY = 1000


@dataclass(slots=True, eq=False)
class Guest:
    """A client that knows the token, while its session stands: its address and its flows.

    ``strays`` counts what came from its address and is nothing that was to come, by place;
    ``elsewhere`` has the addresses from which its own messages came instead of its own.
    """

    address: str
    number: int
    parts: tuple[Part, ...] = field(default=(), repr=False)
    strays: dict[Place, int] = field(default_factory=dict)
    elsewhere: dict[Place, str] = field(default_factory=dict)

    def at(self, place: Place) -> Iterator[Part]:
        """Give its flows that go to a place."""
        return (part for part in self.parts if part.talk.place(part.flow) == place)

    def places(self) -> set[Place]:
        """Give the places that its flows go to."""
        return {part.talk.place(part.flow) for part in self.parts}


class Desk:
    """Finds out whose a packet is. What is nobody's is not answered."""

    def __init__(self) -> None:
        """Serve nobody."""
        self.guests: list[Guest] = []

    def number(self) -> int:
        """Give a number that no guest has."""
        taken = {guest.number for guest in self.guests}
        return next(number for number in range(1, len(taken) + 2) if number not in taken)

    def expects(self, address: str) -> bool:
        """Tell whether somebody at an address is served."""
        return any(guest.address == address for guest in self.guests)

    def hear(self, place: Place, address: str, port: int, message: bytes) -> tuple[bytes, ...]:
        """Take a packet; what to answer to where it came from."""
        for guest in self._of(address):
            for part in guest.at(place):
                answers = part.hear(message, port)
                if answers is not None:
                    return answers
        self._note(place, address, message)
        return ()

    def find(self, place: Place, address: str, begun: bytes) -> tuple[Part | None, bool]:
        """Say whose a connection is, by its first bytes, and whether that may still turn out."""
        waiting = False
        for guest in self._of(address):
            for part in guest.at(place):
                if part.begins(begun[: part.wanted]):
                    if len(begun) >= part.wanted:
                        return part, False
                    waiting = True
        if not waiting:
            self._note(place, address, begun)
        return None, waiting

    def _of(self, address: str) -> Iterator[Guest]:
        return (guest for guest in self.guests if guest.address == address)

    def _note(self, place: Place, address: str, message: bytes) -> None:
        for guest in self.guests:
            if guest.address == address:
                guest.strays[place] = min(guest.strays.get(place, 0) + 1, _MANY)
            elif any(message and message == part.steps[0].expected for part in guest.at(place)):
                guest.elsewhere[place] = address

    def stray_connection(self, place: Place, address: str) -> None:
        """Count a connection on which nothing came that was to come."""
        self._note(place, address, b"")

    def all_parts(self) -> Iterator[Part]:
        """Give all flows of all guests."""
        return chain.from_iterable(guest.parts for guest in self.guests)
