"""The match ``u32``: numbers computed from the packet's own bytes (net/netfilter/xt_u32.c).

An expression is a list of tests that must all hold, ``LOCATION=RANGES`` joined by ``&&``. A
location begins with an offset from the IP header, where four bytes are read; ``&``, ``<<`` and
``>>`` change the number, and ``@`` adds it to where offsets are counted from and reads anew. A test
that reads past the end of the packet does not hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from compiler.evaluate.value import Span, Truth, Unsure, Value, every, some
from compiler.evaluate.way import Way

#: So many tests, numbers of a location, and ranges iptables takes (XT_U32_MAXSIZE).
MOST = 10
_WIDTH = 32
_FULL = (1 << _WIDTH) - 1
_NUMBER = r"0[xX][0-9a-fA-F]+|\d+"
_OPERATION = re.compile(rf"(&|<<|>>|@)({_NUMBER})")
_TEST = re.compile(rf"({_NUMBER})((?:(?:&|<<|>>|@)(?:{_NUMBER}))*)=([^&=]+)")
_RANGE = re.compile(rf"({_NUMBER})(?::({_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class Check:
    """One test: where the number is from, what is done to it, and which numbers hold."""

    offset: int
    operations: tuple[tuple[str, int], ...]
    ranges: tuple[Span, ...]

    def holds(self, way: Way) -> Truth:
        """Tell whether it holds for a packet."""
        found = self._found(way)
        if found is None or isinstance(found, Unsure):
            return found or False
        return some(span.holds(found) for span in self.ranges)

    def _found(self, way: Way) -> Value | Unsure | None:
        start, value = 0, way.read("nh", 8 * self.offset, _WIDTH)
        for sign, number in self.operations:
            if value is None:
                return None
            if sign == "@":
                jump = value.exact
                if jump is None:
                    return Unsure(value.reason)
                start += jump
                value = way.read("nh", 8 * (start + number), _WIDTH) if start <= _FULL else None
            else:
                value = _changed(value, sign, number)
        return value


def parse(text: str) -> tuple[Check, ...]:
    """Read an expression, as people write it and as iptables-save prints it.

    Raises:
        ValueError: iptables or the kernel would refuse it.
    """
    parts = "".join(text.split()).split("&&")
    found = tuple(_check(part) for part in parts)
    if len(found) > MOST:
        raise ValueError(text)
    return found


def holds(checks: tuple[Check, ...], way: Way) -> Truth:
    """Tell whether all tests hold for a packet."""
    return every(check.holds(way) for check in checks)


def _check(text: str) -> Check:
    match = _TEST.fullmatch(text)
    ranges = [_RANGE.fullmatch(part) for part in match[3].split(",")] if match else []
    if match is None or None in ranges:
        raise ValueError(text)
    operations = tuple((o[1], _number(o[2])) for o in _OPERATION.finditer(match[2]))
    shifts = [number for sign, number in operations if sign in ("<<", ">>")]
    if max(len(operations) + 1, len(ranges)) > MOST or max(shifts, default=0) >= _WIDTH:
        raise ValueError(text)
    spans = tuple(Span(_number(r[1]), _number(r[2] or r[1])) for r in ranges if r)
    return Check(_number(match[1]), operations, spans)


def _number(text: str) -> int:
    """Read a number as strtoul does: a leading zero makes it octal."""
    octal = len(text) > 1 and text.isdecimal() and text.startswith("0")
    number = int(text, 8) if octal else int(text, 0)
    if number > _FULL:
        raise ValueError(text)
    return number


def _changed(value: Value, sign: str, number: int) -> Value:
    if sign == "&":
        return value.masked(number)
    low = (1 << number) - 1
    if sign == "<<":
        known = (value.known << number | low) & _FULL
        return Value(value.bits << number & _FULL, _WIDTH, known, value.reason)
    known = value.known >> number | low << (_WIDTH - number)
    return Value(value.bits >> number, _WIDTH, known, value.reason)
