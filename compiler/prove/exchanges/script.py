"""What an exchange is: two sides that say lines to one another. Bytes in, bytes out, no I/O.

A :class:`Line` builds what one side says and lets the other side check what it heard; what a side
has learnt (the peer's call ID, a cookie) it keeps in its own :data:`Memory`. So one script serves
the lab, where somebody plays both sides with raw packets, and two machines, where each plays one
over ordinary sockets::

    memory = exchange.begin(seed)
    exchange.client(io, memory)     # on one machine
    exchange.server(io, memory)     # on the other
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

#: What one side knows, by name. Both sides begin with the seed and the number of their talk.
Memory = dict[str, bytes]
#: More bytes than these of a mismatch tell nobody anything.
_SHOWN = 16


class Side(StrEnum):
    """Who speaks: the end that calls, or the end that is called."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Side:
        """The one who listens."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


@dataclass(frozen=True, slots=True)
class Line:
    """One message of one side.

    ``flow`` is the id of the flow that carries it. ``check`` gives what is wrong with the bytes,
    in words for a person, or nothing, and remembers what the listener needs later.
    """

    by: Side
    flow: str
    says: str
    build: Callable[[Memory], bytes]
    check: Callable[[Memory, bytes], str]


class Io(Protocol):
    """Whatever carries lines to the other side."""

    def send(self, flow: str, message: bytes) -> None:
        """Send one message of a flow."""
        ...

    def receive(self, flow: str) -> bytes | None:
        """Give the next message of a flow; nothing when none comes in the time that is allowed."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """How far one side got: the lines that went well, and what was wrong with the next one."""

    lines: int
    of: int
    wrong: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether everything was said and understood."""
        return self.lines == self.of and not self.wrong


@dataclass(frozen=True, slots=True)
class Exchange:
    """A protocol's exchange: how a tunnel is set up, how data crosses it, how it is taken down.

    ``data`` may be repeated at will while the tunnel is up. ``source_port`` is the port that
    clients of this protocol insist on (0: any). ``reference`` says where all this is written.
    """

    id: str
    flows: tuple[str, ...]
    opening: tuple[Line, ...]
    data: tuple[Line, ...] = ()
    closing: tuple[Line, ...] = ()
    source_port: int = 0
    reference: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in their order."""
        return (*self.opening, *self.data, *self.closing)

    def begin(self, seed: bytes = b"", number: int = 0) -> Memory:
        """Give a side's memory for a new talk. Both sides of a talk begin with the same.

        ``number`` tells talks of one server apart (below 4096); ``seed`` is what everything
        random in the messages comes from.
        """
        return {"seed": seed, "number": number.to_bytes(2, "big")}

    def client(self, io: Io, memory: Memory) -> Heard:
        """Play the side that calls."""
        return _play(Side.CLIENT, self.lines, io, memory)

    def server(self, io: Io, memory: Memory) -> Heard:
        """Play the side that is called."""
        return _play(Side.SERVER, self.lines, io, memory)


def _play(side: Side, lines: Iterable[Line], io: Io, memory: Memory) -> Heard:
    script = tuple(lines)
    for number, line in enumerate(script):
        if line.by is side:
            io.send(line.flow, line.build(memory))
            continue
        message = io.receive(line.flow)
        wrong = f"no {line.says}" if message is None else line.check(memory, message)
        if wrong:
            return Heard(number, len(script), wrong)
    return Heard(len(script), len(script))


def noise(memory: Memory, label: str, size: int) -> bytes:
    """Give bytes that look random, the same in every run: nonces, keys, ciphertext."""
    start = memory["seed"] + memory["number"] + label.encode()
    return hashlib.shake_256(start).digest(size)


def same(what: str, found: bytes, wanted: bytes) -> str:
    """Compare; what is wrong, or nothing."""
    if found == wanted:
        return ""
    shown = f"{found[:_SHOWN].hex()}{'...' if len(found) > _SHOWN else ''}" or "missing"
    return f"{what} is {shown}, not {wanted[:_SHOWN].hex()}{'...' if len(wanted) > _SHOWN else ''}"


def sized(says: str, message: bytes, size: int) -> str:
    """Ask for so many bytes; what is wrong, or nothing."""
    return "" if len(message) == size else f"{says} has {len(message)} bytes, not {size}"


def counted(message: bytes, at: int, width: int, less: int = 0) -> str:
    """Hold the length that a message states at a place against its own; what is wrong, or nothing.

    ``less``: bytes of the message that its length does not count.
    """
    stated = int.from_bytes(message[at : at + width], "big")
    whole = len(message) >= at + width and stated == len(message) - less
    return "" if whole else f"the length says {stated}, and {len(message) - less} bytes are there"


def first_wrong(*found: str) -> str:
    """Give the first complaint."""
    return next((one for one in found if one), "")
