"""How firewall4 reads the values of options. A reader gives ``None`` for what fw4 calls invalid.

Some of it surprises: words may be cut short (``a`` is accept), ``Yes`` is no boolean, and a family
is whatever holds a ``4`` or a ``6``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TRUE, _FALSE = frozenset({"1", "on", "true", "yes"}), frozenset({"0", "off", "false", "no"})
_IDENTIFIER = re.compile(r"[a-zA-Z_.][a-zA-Z0-9/_.-]*")
_PORT = re.compile(r"([0-9]{1,5})(?:[-:]([0-9]{1,5}))?")
_LIMIT = re.compile(r"([0-9]+)(?:/([a-z]+))?")
_MARK = re.compile(r"(0?x?[0-9a-f]+)(?:/(0?x?[0-9a-f]+))?", re.IGNORECASE)
_MAC = re.compile(r"[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}", re.IGNORECASE)
_ICMP = re.compile(r"([0-9]+)(?:/([0-9]+))?")
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:T([0-9:]+))?)?)?")
_TIME = re.compile(r"([0-9]{1,2})(?::([0-9]{1,2})(?::([0-9]{1,2}))?)?")
_TARGETS = (
    "accept", "reject", "drop", "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade",
)  # fmt: skip
_POSITIONS = (
    "ruleset-prepend", "ruleset-postpend", "ruleset-append", "table-prepend", "table-postpend",
    "table-append", "chain-prepend", "chain-postpend", "chain-append",
)  # fmt: skip
_CODES = ("tcp-reset", "port-unreachable", "admin-prohibited", "host-unreachable", "no-route")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SET_PARTS = ("ip", "port", "mac", "net", "set")
#: RFC 2474, RFC 2597, RFC 3246, RFC 8622.
_DSCP = {"BE": 0, "LE": 1, "EF": 0x2E} | {f"CS{n}": 8 * n for n in range(8)}
_DSCP |= {f"AF{n}{m}": 8 * n + 2 * m for n in range(1, 5) for m in range(1, 4)}


@dataclass(frozen=True, slots=True)
class Named:
    """A word that may be negated with ``!``."""

    word: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Protocol:
    """A layer-4 protocol by fw4's own name for it; ``*`` is any. Negation is lost on the way."""

    name: str
    negated: bool = False

    @property
    def any(self) -> bool:
        """Tell whether every protocol matches."""
        return self.name == "*"


@dataclass(frozen=True, slots=True)
class Ports:
    """One port or a range."""

    first: int
    last: int
    negated: bool = False

    @property
    def text(self) -> str:
        """Write it as nft does."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many packets in a unit of time."""

    rate: int
    unit: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark and the bits that count."""

    number: int
    mask: int = 0xFFFFFFFF
    negated: bool = False


@dataclass(frozen=True, slots=True)
class SetMatch:
    """A reference to a named set, with the directions of its parts."""

    name: str
    directions: tuple[str, ...] = ()
    negated: bool = False


def boolean(text: str) -> bool | None:
    """Read a switch; lower case only."""
    return True if text in _TRUE else False if text in _FALSE else None


def _word(text: str, words: Sequence[str]) -> str | None:
    return next((word for word in words if word.startswith(text.lower())), None)


def policy(text: str) -> str | None:
    """Read accept, reject or drop."""
    return _word(text, ("accept", "reject", "drop"))


def target(text: str) -> str | None:
    """Read the target of a rule, redirect or nat section."""
    return _word(text, _TARGETS)


def reject_code(text: str) -> str | None:
    """Read how packets are refused."""
    return _word(text, _CODES)


def include_type(text: str) -> str | None:
    """Read script or nftables."""
    return _word(text, ("script", "nftables"))


def position(text: str) -> str | None:
    """Read where an include goes."""
    found = _word(text, _POSITIONS)
    return found.replace("postpend", "append") if found else None


def reflection_source(text: str) -> str | None:
    """Read internal or external."""
    return _word(text, ("internal", "external"))


def family(text: str) -> int | None:
    """Read an address family: 0 is both."""
    if text in ("any", "all", "*"):
        return 0
    return 4 if text == "inet" or "4" in text else 6 if "6" in text else None


def string(text: str) -> str:
    """Take any text."""
    return text


def integer(text: str) -> int | None:
    """Read a number."""
    try:
        return int(text.strip() or "0", 0)
    except ValueError:
        return None


def identifier(text: str) -> str | None:
    """Read the name of a zone, set or chain."""
    return text if _IDENTIFIER.fullmatch(text) else None


def named(text: str) -> Named | None:
    """Read a word with or without ``!``."""
    bare = text.lstrip(" \t")
    negated = bare.startswith("!")
    word = bare.removeprefix("!").strip()
    return Named(word, negated) if word else None


def direction(text: str) -> str | None:
    """Read which way a rule's device is passed."""
    if text in ("in", "ingress"):
        return "in"
    return "out" if text in ("out", "egress") else None


def set_match(text: str) -> SetMatch | None:
    """Read a reference to a set."""
    found = named(text)
    if found is None:
        return None
    name, *rest = found.word.split(None, 1)
    words = re.split(r"[ \t,]", rest[0].strip()) if rest else []
    shown = {"dst": "dst", "dest": "dst", "src": "src"}
    return SetMatch(name, tuple(shown.get(word, "") for word in words[:3]), found.negated)


def set_part(text: str) -> tuple[str, str] | None:
    """Read one part of the elements of a set: its direction and type."""
    found = re.fullmatch(r"(src|dst|dest)_(.+)", text)
    type_ = _word(found[2] if found else text, _SET_PARTS)
    return ("dst" if found and found[1] != "src" else "src", type_) if type_ else None


def protocol(text: str) -> tuple[Protocol, ...] | None:
    """Read a protocol; ``tcpudp`` gives two."""
    found = named(text)
    if found is None:
        return None
    word = found.word.lower()
    if word == "tcpudp":
        return Protocol("tcp", found.negated), Protocol("udp", found.negated)
    known = {
        "all": "*", "any": "*", "1": "icmp", "58": "ipv6-icmp", "icmpv6": "ipv6-icmp",
        "6": "tcp", "17": "udp",
    }  # fmt: skip
    return (Protocol(known.get(word, word), found.negated),)


def mac(text: str) -> Named | None:
    """Read a hardware address."""
    found = named(text)
    return found if found and _MAC.fullmatch(found.word) else None


def port(text: str) -> Ports | None:
    """Read a port or a range: digits only, no names, no commas."""
    found = named(text)
    match = _PORT.fullmatch(found.word) if found else None
    if match is None or found is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return Ports(first, last, found.negated) if first <= last <= 65535 else None


def icmp_type(text: str) -> str | None:
    """Read an ICMP type; that it is one is all that matters here."""
    match = _ICMP.fullmatch(text)
    if match is None:
        return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text) else None
    return text if int(match[1]) <= 255 and int(match[2] or 0) <= 255 else None


def limit(text: str) -> Limit | None:
    """Read a rate; the unit may be cut short."""
    found = named(text)
    match = _LIMIT.fullmatch(found.word) if found else None
    if match is None:
        return None
    unit = _word(match[2], ("second", "minute", "hour", "day")) if match[2] else "second"
    return Limit(int(match[1]), unit) if unit else None


def mark(text: str) -> Mark | None:
    """Read a mark with or without a mask."""
    found = named(text)
    match = _MARK.fullmatch(found.word) if found else None
    if match is None or found is None:
        return None
    number, mask = _number(match[1]), _number(match[2]) if match[2] else 0xFFFFFFFF
    if number is None or mask is None or max(number, mask) > 0xFFFFFFFF:
        return None
    return Mark(number, mask, found.negated)


def _number(text: str) -> int | None:
    """Read a number as ucode does: hexadecimal with 0x, octal with a leading 0."""
    lower = text.lower()
    try:
        if lower.startswith("0x"):
            return int(lower, 16)
        return int(lower, 8) if len(lower) > 1 and lower.startswith("0") else int(lower)
    except ValueError:
        return None


def dscp(text: str) -> tuple[int, bool] | None:
    """Read a DSCP class or number, and whether it is negated."""
    found = named(text)
    if found is None:
        return None
    number = _DSCP.get(found.word.upper())
    number = _number(found.word) if number is None else number
    return (number, found.negated) if number is not None and 0 <= number <= 0x3F else None


def date(text: str) -> str | None:
    """Read a date."""
    match = _DATE.fullmatch(text)
    if match is None or not 1970 <= int(match[1]) <= 2038:
        return None
    if int(match[2] or 0) > 12 or int(match[3] or 0) > 31:
        return None
    return text if time(match[4] or "0") is not None else None


def time(text: str) -> str | None:
    """Read a time of day."""
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23:
        return None
    return text if int(match[2] or 0) <= 59 and int(match[3] or 0) <= 59 else None


def weekdays(text: str) -> str | None:
    """Read days of the week."""
    found = named(text)
    words = found.word.split() if found else []
    return text if words and all(_word(word, _DAYS) for word in words) else None


def monthdays(text: str) -> str | None:
    """Read days of the month, which fw4 then ignores."""
    found = named(text)
    words = found.word.split() if found else []
    numbers = [integer(word) for word in words]
    return text if numbers and all(n is not None and 1 <= n <= 31 for n in numbers) else None
