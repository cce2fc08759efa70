"""Our lines inside a text that belongs to the router's owner.

The block stands at the end of the text between two comment lines. Both native forms that use
it (RouterOS scripts, Vyatta commands) are lists of commands, in which a later one adds to, and
cannot be changed by, what stands before.
"""

from __future__ import annotations

from collections.abc import Sequence

BEGIN = "# passthru: begin"
END = "# passthru: end"


def block(lines: Sequence[str]) -> str:
    """Print a block; nothing for no lines."""
    return "\n".join((BEGIN, *lines, END, "")) if lines else ""


def spans(lines: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Find blocks as (first line, last line), from 0; ``None``: one is cut off or nested."""
    found: list[tuple[int, int]] = []
    opened: int | None = None
    for number, line in enumerate(lines):
        text = line.strip()
        if text == BEGIN:
            if opened is not None:
                return None
            opened = number
        elif text == END:
            if opened is None:
                return None
            found.append((opened, number))
            opened = None
    return None if opened is not None else tuple(found)


def with_block(rest: str, lines: Sequence[str]) -> str:
    """Put a block at the end of a text."""
    ours = block(lines)
    return f"{rest}\n{ours}" if ours and rest and not rest.endswith("\n") else rest + ours
