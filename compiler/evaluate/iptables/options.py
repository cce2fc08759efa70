"""The options of a rule, grouped by the extension that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One option with its arguments; ``inverted`` by a ``!`` before it."""

    name: str
    arguments: tuple[str, ...] = ()
    inverted: bool = False

    @property
    def argument(self) -> str:
        """The first argument, or nothing."""
        return self.arguments[0] if self.arguments else ""

    def __str__(self) -> str:
        """Give it as it was written."""
        return " ".join(
            ("!", self.name, *self.arguments) if self.inverted else (self.name, *self.arguments)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """An extension and its options; the first group of a rule has no name, the last is its target.

    ``goto``: the target was given with ``-g``.
    """

    name: str
    options: tuple[Option, ...] = ()
    goto: bool = False

    def __str__(self) -> str:
        """Give it as it was written."""
        return " ".join((self.name, *map(str, self.options)))


#: Options whose argument may look like an option.
_FREE_TEXT = frozenset({"--comment", "--log-prefix", "--nflog-prefix"})


#: Other ways to write an option by hand (iptables(8), iptables-extensions(8)).
_ALIASES = {
    "--jump": "-j", "--goto": "-g", "--match": "-m", "--protocol": "-p", "--proto": "-p",
    "--source": "-s", "--src": "-s", "--destination": "-d", "--dst": "-d", "--in-interface": "-i",
    "--out-interface": "-o", "--fragment": "-f", "--source-port": "--sport",
    "--destination-port": "--dport", "--source-ports": "--sports",
    "--destination-ports": "--dports",
}  # fmt: skip


def grouped(written: Sequence[str]) -> list[Group]:
    """Group the words of a rule: general options, each ``-m``, the target (nameless if none)."""
    words = [_ALIASES.get(word, word) for word in written]
    groups: list[tuple[str, list[Option], bool]] = [("", [], False)]
    has_target = inverted = False
    at = 0
    while at < len(words):
        word = words[at]
        if word == "!":
            inverted, at = True, at + 1
            continue
        if word in ("-m", "-j", "-g") and at + 1 < len(words):
            groups.append((words[at + 1], [], word == "-g"))
            has_target = has_target or word != "-m"
            at += 2
            continue
        start = at + 1
        if _inverts_argument(words[start : start + 2]):
            inverted, start = True, start + 1
        end = start + (word in _FREE_TEXT)
        while end < len(words) and not _starts_option(words[end]):
            end += 1
        groups[-1][1].append(Option(word, tuple(words[start:end]), inverted))
        inverted, at = False, end
    if not has_target:
        groups.append(("", [], False))
    return [Group(name, tuple(options), goto) for name, options, goto in groups]


def _inverts_argument(words: Sequence[str]) -> bool:
    """Tell ``! br0`` after ``-i``, as iptables before 1.4.3 wrote it."""
    return len(words) == 2 and words[0] == "!" and not _starts_option(words[1])


def _starts_option(word: str) -> bool:
    return word == "!" or (word.startswith("-") and len(word) > 1 and not word[1].isdigit())
