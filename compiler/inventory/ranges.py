"""Host lines: ports (``host:2222``, ``[::1]:22``) and ranges (``web[01:20:2]``, ``db[a:f]``).

What counts as a host name with a port is Ansible's decision, quirks included: text that is no
valid host name keeps its colon. See
https://docs.ansible.com/ansible/latest/inventory_guide/intro_inventory.html#adding-ranges-of-hosts
"""

from __future__ import annotations

import itertools
import math
import re
import string
from collections.abc import Sequence

#: One line may not stand for more hosts than this.
MAX_EXPANDED = 100_000

_RANGE = re.compile(r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]", re.IGNORECASE)
_LABEL = re.compile(r"\w[\w-]*(?<![_-])")
_HEX = r"(?:[0-9a-f]{1,4}|\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\])"
# Ansible anchors only the last of its alternatives at the end: whatever begins as an IPv6
# address is one.
_IPV6 = re.compile(
    rf"::|(?:{_HEX}:){{1,6}}:|(?:{_HEX}:){{7}}{_HEX}"
    rf"|(?:0:){{6}}(?:{_HEX}\.){{3}}{_HEX}|(?:0:){{5}}ffff:(?:{_HEX}\.){{3}}{_HEX}$",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\[(.+)\]:([0-9]+)")
_WITH_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)")


def split_port(text: str) -> tuple[str, int | None] | None:
    """Take a port off a host name or address (which may hold ranges).

    Gives ``None`` when what is left is neither.
    """
    port = None
    for form in (_BRACKETED, _WITH_PORT):
        match = form.fullmatch(text)
        if match:
            text, port = match[1], int(match[2])
    return (text, port) if _is_host(text) else None


def is_address(name: str) -> bool:
    """Tell whether a host's name is an IP address, so that its dots part no labels."""
    parts = name.split(".")
    if len(parts) == 4 and all(re.fullmatch("[0-9]{1,3}", part) for part in parts):
        return all(int(part) <= 255 for part in parts)
    return _IPV6.match(name) is not None


def expand_host(pattern: str) -> tuple[Sequence[str], int | None]:
    """Give the hosts that a host line or key stands for, and their port.

    Raises:
        ValueError: a range is wrong; the text says how.
    """
    host, port = split_port(pattern) or (pattern, None)
    return (_expand(host) if "[" in host else (host,)), port


def _is_host(text: str) -> bool:
    if _IPV6.match(text):
        return True
    return all(_LABEL.fullmatch(label) for label in _RANGE.sub("0", text).split("."))


def _expand(text: str) -> list[str]:
    parts: list[Sequence[str]] = []
    rest = text
    while "[" in rest:
        head, _, rest = rest.partition("[")
        body, closed, rest = rest.partition("]")
        if not closed or "]" in head or "|" in text:
            raise ValueError("brackets in a host name must hold a range such as [1:9]")
        parts += [(head,), _members(body)]
    if math.prod(map(len, parts)) > MAX_EXPANDED:
        raise ValueError(f"the range stands for more than {MAX_EXPANDED:,} hosts")
    return ["".join(pieces) for pieces in itertools.product(*parts, (rest,))]


def _members(body: str) -> Sequence[str]:
    begin, end, step = _bounds(body)
    letters = string.ascii_letters
    if begin in letters and end in letters:
        first, last = letters.index(begin), letters.index(end)
        if first > last:
            raise ValueError(f"the range [{body}] must not run backwards")
        return letters[first : last + 1 : step]
    if not (begin.isdecimal() and end.isdecimal()):
        raise ValueError(f"the range [{body}] needs two numbers or two letters")
    width = len(begin) if begin[0] == "0" else 0
    if width > 1 and width != len(end):
        raise ValueError(f"both ends of the range [{body}] must have the same number of digits")
    numbers = range(int(begin), int(end) + 1, step)
    if len(numbers) > MAX_EXPANDED:
        raise ValueError(f"the range [{body}] stands for more than {MAX_EXPANDED:,} hosts")
    return [str(number).zfill(width) for number in numbers]


def _bounds(body: str) -> tuple[str, str, int]:
    bounds = body.split(":")
    if len(bounds) not in (2, 3):
        raise ValueError(f"[{body}] is no range; write [begin:end] or [begin:end:step]")
    if not bounds[1]:
        raise ValueError(f"the range [{body}] has no end")
    step = bounds[2] if len(bounds) == 3 else "1"
    if not step.isdecimal() or len(step) > 9 or int(step) == 0:
        raise ValueError(f"the step of the range [{body}] must be a number above zero")
    if max(map(len, bounds)) > 18:
        raise ValueError(f"the range [{body}] is too large")
    return bounds[0] or "0", bounds[1], int(step)
