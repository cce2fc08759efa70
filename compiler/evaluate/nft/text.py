"""Rules of the listing as people read them: close to nft's own words, but only for messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_INFIX = frozenset({"&", "|", "^", "<<", ">>"})


def rule_text(expressions: Sequence[Any]) -> str:
    """Write a rule."""
    return " ".join(write(expression) for expression in expressions)


def write(data: Any) -> str:  # noqa: PLR0911 - one return per form
    """Write an expression or statement."""
    if isinstance(data, list):
        return ",".join(write(item) for item in data)
    if not isinstance(data, dict):
        return "" if data is None else str(data)
    if len(data) != 1:
        return " ".join(f"{key} {write(item)}" for key, item in data.items())
    ((word, inner),) = data.items()
    if isinstance(inner, dict):
        return _structure(str(word), inner)
    if word in _INFIX and isinstance(inner, list):
        return f" {word} ".join(write(part) for part in inner)
    if word == "concat":
        return " . ".join(write(part) for part in inner)
    if word == "range":
        return "-".join(write(part) for part in inner)
    if word == "set" and isinstance(inner, list):
        return "{ " + ", ".join(_element(part) for part in inner) + " }"
    if word == "ct helper":
        return f"ct helper set {inner}"
    return f"{word} {write(inner)}".strip()


def _element(part: Any) -> str:
    if isinstance(part, list) and len(part) == 2:
        return f"{write(part[0])} : {write(part[1])}"
    return write(part)


def _structure(word: str, inner: dict[str, Any]) -> str:  # noqa: C901, PLR0911, PLR0912
    part = {key: write(item) for key, item in inner.items()}
    match word:
        case "match":
            op = "" if inner.get("op") in ("==", "in") else f"{inner.get('op')} "
            return f"{part.get('left', '?')} {op}{part.get('right', '?')}"
        case "payload" if "base" in inner:
            return f"@{part['base']},{part.get('offset')},{part.get('len')}"
        case "payload":
            return f"{part.get('protocol')} {part.get('field')}"
        case "meta" | "ct" | "rt" | "socket":
            return " ".join(filter(None, (word, part.get("dir"), part.get("key"))))
        case "vmap" | "map":
            return f"{part.get('key')} {word} {part.get('data')}"
        case "prefix":
            return f"{part.get('addr')}/{part.get('len')}"
        case "jump" | "goto":
            return f"{word} {part.get('target')}"
        case "mangle":
            return f"{part.get('key')} set {part.get('value')}"
        case "counter":
            return "counter"
        case "elem":
            return part.get("val", "?")
        case "reject":
            return f"reject with {part.get('type')} {part.get('expr', '')}".strip()
        case "fib":
            return f"fib {part.get('flags', '').replace(',', ' . ')} {part.get('result')}"
        case _:
            return f"{word} {' '.join(f'{key} {item}' for key, item in part.items())}"
