"""Values of RouterOS scripts: text and lists, and what the language computes from them."""

from __future__ import annotations

import re
from collections.abc import Callable

from compiler.embedded.ros.words import ScriptError, statements, words

Value = str | list[str]
_TIME = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+):(\d+):(\d+)|(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?)")
_UNITS = (604_800, 86_400, 3600, 60, 1, 3600, 60, 1)


def joined(value: Value) -> str:
    """Give a value as text."""
    return ";".join(value) if isinstance(value, list) else value


def listed(value: Value) -> list[str]:
    """Give a value as a list."""
    if isinstance(value, list):
        return value
    return [each for each in value.split(";") if each]


def _picked(value: Value, at: Value) -> str:
    number = int(joined(at))
    return value[number] if number < len(value) else ""


def seconds_of(text: str) -> float | None:
    """Give what a number or a time is in seconds; ``None``: it is neither."""
    if text.isdecimal():
        return float(text)
    match = _TIME.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    parts = zip(match.groups(), _UNITS, strict=True)
    return float(sum(int(part) * unit for part, unit in parts if part))


def _to_time(value: Value) -> str:
    if seconds_of(joined(value)) is None:
        raise ScriptError("failure: this is no time")
    return joined(value)


#: Signs between two values, from what binds least.
SIGNS = (("or", "||"), ("and", "&&"), ("=", "!=", "<", ">", "~"), (".", "+"))


def operated(left: str, sign: str, right: str) -> str:
    """Compute what stands between two values.

    Raises:
        ScriptError: these have no such result.
    """
    if sign == ".":
        return left + right
    one, two = seconds_of(left), seconds_of(right)
    if sign in ("<", ">", "+") and (one is None or two is None):
        raise ScriptError(f"failure: cannot compute {sign} of these")
    if sign == "+":
        return f"{(one or 0) + (two or 0):.0f}" + (
            "" if left.isdecimal() and right.isdecimal() else "s"
        )
    true = ("true", "yes")
    held = {
        "=": left == right,
        "!=": left != right,
        "<": (one or 0) < (two or 0),
        ">": (one or 0) > (two or 0),
        "and": left in true and right in true,
        "&&": left in true and right in true,
        "or": left in true or right in true,
        "||": left in true or right in true,
        "~": sign == "~" and bool(re.search(right, left)),
    }
    return "true" if held[sign] else "false"


def _parsed(text: str) -> str:
    """See that a text can be split into commands, those in blocks too."""
    for statement in statements(text):
        for part in words(statement):
            inside = part.partition("=")[2] if re.match(r"[a-z-]+={", part) else part
            if inside.startswith("{") and inside.endswith("}"):
                _parsed(inside[1:-1])
    return "(code)"


#: Commands that only compute a value.
COMPUTED: dict[str, Callable[..., Value]] = {
    ":len": lambda value: str(len(value)),
    ":pick": _picked,
    ":tostr": joined,
    ":tonum": joined,
    ":totime": _to_time,
    ":parse": lambda value: _parsed(joined(value)),
}
