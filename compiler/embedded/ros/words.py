"""Split RouterOS scripts: into statements, and those into words; brackets and quotes nest."""

from __future__ import annotations

from collections.abc import Iterator

_PAIRS = {"[": "]", "(": ")", "{": "}"}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "_": " "}


class ScriptError(Exception):
    """The script has failed, as RouterOS words it."""


def statements(text: str) -> Iterator[str]:
    """Give what stands between newlines and semicolons outside of quotes and brackets."""
    for line in _split(text.replace("\\\r\n", "").replace("\\\n", ""), ";\n\r"):
        if line.strip() and not line.strip().startswith("#"):
            yield line.strip()


def words(statement: str) -> list[str]:
    """Split a statement at blanks; ``do={ ... }`` is one word."""
    return [word for word in _split(statement, " \t\n\r") if word]


def _split(text: str, ends: str) -> Iterator[str]:
    closing: list[str] = []
    found, at = "", 0
    while at < len(text):
        char = text[at]
        if char == '"':
            end = _string_end(text, at)
            found += text[at:end]
            at = end
            continue
        if char == "#" and not found.strip() and not closing and "\n" in ends:
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        if char in _PAIRS:
            closing.append(_PAIRS[char])
        elif closing and char == closing[-1]:
            closing.pop()
        if char in ends and not closing:
            yield found
            found = ""
        else:
            found += char
        at += 1
    if closing:
        raise ScriptError(f"syntax error: expected {closing[-1]}")
    yield found


def _string_end(text: str, at: int) -> int:
    end = at + 1
    while end < len(text) and text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise ScriptError("syntax error: a string is not closed")
    return end + 1


def unescaped(text: str, variables: dict[str, str]) -> str:
    r"""Give what a quoted string means: escapes (``\"``, ``\$``, ``\41``) and ``$name``."""
    found, at = bytearray(), 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 < len(text):
            pair = text[at + 1 : at + 3]
            if len(pair) == 2 and all(digit in "0123456789ABCDEF" for digit in pair):
                found.append(int(pair, 16))
                at += 3
                continue
            found += _ESCAPES.get(text[at + 1], text[at + 1]).encode()
            at += 2
        elif char == "$":
            end = at + 1
            while end < len(text) and text[end].isalnum():
                end += 1
            found += variables.get(text[at + 1 : end], "").encode()
            at = end
        else:
            found += char.encode(errors="surrogateescape")
            at += 1
    return found.decode(errors="surrogateescape")


def quoted(value: str) -> str:
    """Print a value as an export does."""
    plain = all(char.isalnum() or char in "_.:,/-!" for char in value)
    if value and plain:
        return value
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _escaped(char: str) -> str:
    if char in '"\\$?':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return "".join(f"\\{byte:02X}" for byte in char.encode(errors="surrogateescape"))
