"""Values of which every bit is known, or only some, and what can be said about them.

Everything that a rule compares is an integer here: addresses, ports, bytes, flags, marks, and
interface names (16 bytes, padded with zeros, as the kernel keeps them). A question about a value
has three answers: yes, no, or :class:`Unsure` with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

NAME_BITS = 128


@dataclass(frozen=True, slots=True)
class Unsure:
    """Neither yes nor no, because of ``reason``.

    ``kernel``: a kernel that holds the rule could tell by the packet alone; it is only not
    understood here.
    """

    reason: str
    kernel: bool = False


#: The answer to a question about a packet.
Truth = bool | Unsure


@dataclass(frozen=True, slots=True)
class Value:
    """``width`` bits; those set in ``known`` are as in ``bits``, the others could be anything."""

    bits: int
    width: int
    known: int
    reason: str = ""

    @classmethod
    def of(cls, number: int, width: int) -> Value:
        """Give a value that is known whole."""
        full = (1 << width) - 1
        return cls(number & full, width, full)

    @classmethod
    def unknown(cls, width: int, reason: str) -> Value:
        """Give a value of which nothing is known."""
        return cls(0, width, 0, reason)

    @property
    def exact(self) -> int | None:
        """The number, where all bits are known."""
        return self.bits if self.known == (1 << self.width) - 1 else None

    def masked(self, mask: int, flip: int = 0) -> Value:
        """Give ``(value & mask) ^ flip``."""
        known = self.known | ~mask & (1 << self.width) - 1
        return Value((self.bits & mask & known) ^ flip, self.width, known, self.reason)

    def part(self, offset: int, width: int) -> Value:
        """Give ``width`` bits, ``offset`` bits from the front."""
        shift, full = self.width - offset - width, (1 << width) - 1
        return Value(self.bits >> shift & full, width, self.known >> shift & full, self.reason)

    def with_part(self, offset: int, part: Value) -> Value:
        """Give this value with some bits replaced."""
        shift = self.width - offset - part.width
        hole = ~(((1 << part.width) - 1) << shift)
        return Value(
            self.bits & hole | part.bits << shift,
            self.width,
            self.known & hole | part.known << shift,
            self.reason or part.reason,
        )

    def any_of(self, mask: int) -> Truth:
        """Tell whether any bit of ``mask`` is set."""
        if self.bits & self.known & mask:
            return True
        return Unsure(self.reason) if mask & ~self.known else False


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers from ``low`` to ``high``, both included."""

    low: int
    high: int

    @classmethod
    def of(cls, number: int) -> Span:
        """Give the span of one number."""
        return cls(number, number)

    def holds(self, value: Value) -> Truth:
        """Tell whether a value lies in the span."""
        if self.low == self.high and (value.bits ^ self.low) & value.known:
            return False
        lowest = value.bits & value.known
        highest = lowest | (~value.known & (1 << value.width) - 1)
        if highest < self.low or lowest > self.high:
            return False
        if self.low <= lowest and highest <= self.high:
            return True
        return Unsure(value.reason)


def name_value(name: str) -> Value:
    """Give an interface name as the kernel compares it."""
    return Value.of(name_number(name), NAME_BITS)


def name_number(name: str) -> int:
    """Give an interface name as a number."""
    raw = name.encode()[:16]
    return int.from_bytes(raw) << (NAME_BITS - 8 * len(raw))


def name_span(name: str) -> Span:
    """Give the span of a name, or of all names that begin with it where it ends in ``*``."""
    if not name.endswith("*") or name.endswith("\\*"):
        return Span.of(name_number(name.replace("\\*", "*")))
    start = name_number(name[:-1])
    return Span(start, start | (1 << (NAME_BITS - 8 * len(name[:-1].encode()))) - 1)


def address_span(text: str) -> Span | None:
    """Give the span of an address, prefix or range (``10.0.0.1-10.0.0.9``); ``None``: none."""
    try:
        first, dash, last = text.partition("-")
        if dash:
            return Span(int(ip_address(first)), int(ip_address(last)))
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return Span(int(network.network_address), int(network.broadcast_address))


def negated(truth: Truth) -> Truth:
    """Turn an answer round."""
    return truth if isinstance(truth, Unsure) else not truth


def every(truths: Iterable[Truth]) -> Truth:
    """Tell whether all are true: one no decides, then one doubt."""
    doubt: Unsure | None = None
    for truth in truths:
        if truth is False:
            return False
        if isinstance(truth, Unsure):
            doubt = doubt or truth
    return doubt or True


def some(truths: Iterable[Truth]) -> Truth:
    """Tell whether any is true: one yes decides, then one doubt."""
    doubt: Unsure | None = None
    for truth in truths:
        if truth is True:
            return True
        if isinstance(truth, Unsure):
            doubt = doubt or truth
    return doubt or False
