r"""Which host names can be the name of a folder: the output goes to ``OUT/HOST/``.

The rule: 1 to 253 bytes of UTF-8; no ``/`` or ``\``; no control, line-separating or
direction-changing character; not beginning with ``.`` or ``-``; no blank at either end; not the
name of a file that the program itself writes into ``OUT``. Everything else, ``$(id)`` and emoji
included, is harmless to a program that uses no shell.
"""

from __future__ import annotations

import unicodedata

from compiler.model.finding import Code, Finding, Place

MAX_BYTES = 253
#: What the program writes beside the hosts' folders (compared without case).
RESERVED = frozenset({"manifest.json"})

_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDIRECTIONAL = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def host_name_problem(name: str) -> str:
    """Say what keeps a host's name from being a folder's name; nothing if it is fine."""
    checks = (
        (not name, "is empty"),
        (_holds_control(name), "holds a control character"),
        (not _BIDIRECTIONAL.isdisjoint(name), "holds a mark that turns the writing direction"),
        (len(name.encode(errors="replace")) > MAX_BYTES, f"is longer than {MAX_BYTES} bytes"),
        ("/" in name or "\\" in name, "holds a path separator"),
        (name.startswith((".", "-")), f"begins with '{name[:1]}'"),
        (name != name.strip(), "begins or ends with a blank"),
        (name.lower() in RESERVED, "is the name of a file that the program writes"),
    )
    return next((problem for found, problem in checks if found), "")


def _holds_control(name: str) -> bool:
    return any(unicodedata.category(char) in _UNPRINTABLE for char in name)


def check_host_name(name: str, place: Place | None = None) -> Finding | None:
    """Give finding I207 for a name that cannot be a folder's, nothing for one that can."""
    problem = host_name_problem(name)
    if not problem:
        return None
    return Finding(
        Code.I207,
        f"the host name {shown(name)} {problem}",
        place=place,
        hint="rename the host and give its address as ansible_host",
        host=name,
    )


def shown(name: str) -> str:
    """Quote a name for a message: escaped if it is not printable, cut if it is long."""
    text = f"'{name}'" if name.isprintable() else ascii(name)
    return text if len(text) <= 80 else f"{text[:60]}...' ({len(name)} characters)"
