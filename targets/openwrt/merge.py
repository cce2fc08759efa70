"""Put our sections into somebody else's config, by lines, so that all else stays as it is."""

from __future__ import annotations

import re

from targets.openwrt import uci
from targets.openwrt.uci import Command


def merge(text: str, block: str, prefix: str, file: str) -> str:
    """Take the sections whose names begin with ``prefix`` out of a text and put ``block`` in.

    ``block`` is empty or begins with an empty line. It comes before the first other rule or
    redirect (right after the command before that), or else at the end. Every other line stays
    as it is, comments between our own options too; one empty line before each of our sections
    goes with it. ``templates/merge.awk`` does the same on the router, and a test holds them equal.

    Raises:
        NativeError: the text is no valid UCI file.
    """
    uci.read(text, file)
    found = uci.commands(text, file)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    dropped, anchor = _plan(lines, found, prefix)
    head = "".join(line for i, line in enumerate(lines[:anchor]) if i not in dropped)
    tail = "".join(line for i, line in enumerate(lines[anchor:], anchor) if i not in dropped)
    if block and head and not head.endswith("\n"):
        head += "\n"
    return head + block + tail


def _plan(lines: list[str], found: tuple[Command, ...], prefix: str) -> tuple[set[int], int]:
    """Say which lines (from 0) go, and before which line the new block comes."""
    dropped: set[int] = set()
    anchor: int | None = None
    ours = False
    end_of_other = end_of_last = 0
    for command in found:
        if command.word == "config":
            ours = command.arguments[1:2] != () and command.arguments[1].startswith(prefix)
            above = command.first - 2
            if ours and above >= end_of_last and lines[above] in ("\n", "\r\n"):
                dropped.add(above)
            if anchor is None and not ours and command.arguments[0] in ("rule", "redirect"):
                anchor = end_of_other
        if ours:
            dropped.update(range(command.first - 1, command.last))
        else:
            end_of_other = command.last
        end_of_last = command.last
    return dropped, len(lines) if anchor is None else anchor
