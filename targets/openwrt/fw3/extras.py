"""``option extra``: arguments for iptables, as far as our own reading follows them.

What looks into packets, and what asks for the state of a connection. ``None`` where anything else
is asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.evaluate.iptables import u32
from compiler.evaluate.iptables.options import Group, Option, grouped
from compiler.evaluate.iptables.u32 import Check
from targets.openwrt.fw4 import nft
from targets.openwrt.fw4.nft import Part

#: ``0>>22&0x3C@``: go to where the header of IPv4 ends.
_JUMP = ((">>", 22), ("&", 0x3C))
_WORD = 4
#: Up to here every packet has bytes: the header alone.
_HEADER = {4: 20, 6: 40}


def parts(extra: str, family: int) -> tuple[Part, ...] | None:
    """Read the arguments; fw3 splits them at spaces and tabs, and knows no quotation marks."""
    first, *groups, last = grouped(extra.split())
    if first.options or last.name:
        return None
    found: list[Part] = []
    try:
        for group in groups:
            found += _group(group, family)
    except ValueError:
        return None
    return tuple(found)


def _group(group: Group, family: int) -> Iterator[Part]:
    (option,) = group.options
    if (group.name, option.name) == ("conntrack", "--ctstate"):
        states = option.argument.lower().split(",")
        if not set(states) <= {"new", "established", "related", "invalid", "untracked"}:
            raise ValueError(option)
        yield nft.match("ct state", states, negated=option.inverted)
    elif (group.name, option.name) == ("u32", "--u32"):
        yield from _bytes(option, family)
    else:
        raise ValueError(option)


def _bytes(option: Option, family: int) -> Iterator[Part]:
    checks = u32.parse(option.argument)
    if option.inverted and (len(checks) > 1 or checks[0].offset + _WORD > _HEADER[family]):
        raise ValueError(option)
    for check in checks:
        yield _check(check, family, negated=option.inverted)


def _check(check: Check, family: int, *, negated: bool) -> Part:
    """Read ``OFFSET``, ``OFFSET&MASK`` or ``OFFSET>>NUMBER`` with one value, also behind a jump."""
    base, at, left = "nh", check.offset, check.operations
    if family == 4 and (at, left[:2]) == (0, _JUMP) and left[2:3] and left[2][0] == "@":
        base, at, left = "th", left[2][1], left[3:]
    (span,) = check.ranges
    mask, shift = 0xFFFFFFFF, 0
    if left:
        ((sign, number),) = left
        mask = number if sign == "&" else 0xFFFFFFFF >> number << number
        shift = number if sign == ">>" else 0
        if sign not in ("&", ">>"):
            raise ValueError(left)
    value = span.low << shift
    if span.low != span.high or value & ~mask or (negated and base == "th"):
        raise ValueError(span)
    return nft.payload(at, value.to_bytes(_WORD), mask.to_bytes(_WORD), base=base, negated=negated)
