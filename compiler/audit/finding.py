"""What an audit says of one router: findings with their evidence, and a verdict per protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from compiler.model.finding import Code, Place, Severity

#: Evidence is for people: so many rules, keys or settings of one finding are named.
MOST_EVIDENCE = 12


class Standing(StrEnum):
    """How one protocol on one router stands. The worst of a fleet comes first."""

    WRONG = "wrong"  #: packets experience something else than the policy wants
    UNKNOWN = "unknown"  #: nobody knows
    WARNED = "warned"  #: as wanted, and there is something to say
    RIGHT = "right"  #: as the policy wants
    FREE = "free"  #: no policy speaks about it


class State(StrEnum):
    """What became of one router's audit."""

    JUDGED = "judged"
    UNREACHABLE = "unreachable"  #: no session, or no saved answer
    FAILED = "failed"  #: an answer that cannot be read, or a policy that cannot be resolved
    SKIPPED = "skipped"  #: never asked: no way in, or interrupted


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing to say of one router.

    - ``flows`` and ``families`` say which packets, ``wanted`` what the policy wants of them
    - ``evidence`` are the rules or keys that decide, ``settings`` those of ours that differ
    - ``place`` is the policy line; ``mend`` the command, or what a person must do
    """

    code: Code
    severity: Severity
    message: str
    protocol: str = ""
    flows: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    wanted: str = ""
    place: Place | None = None
    evidence: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    mend: str = ""

    def fingerprint(self, host: str) -> str:
        """Give what makes this the same finding in the next audit: no line number, no wording."""
        parts = (host, self.code.name, self.protocol, *self.flows, "", *self.families)
        text = "\0".join(parts)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    @property
    def sort_key(self) -> tuple[int, str, str, tuple[str, ...], str]:
        """Order worst first, then by code."""
        return (-self.severity, self.code.name, self.protocol, self.flows, self.message)


@dataclass(frozen=True, slots=True)
class Cell:
    """One protocol on one router: what is wanted, what packets experience, and how that stands."""

    wanted: str
    verdict: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Audited:
    """One router's audit.

    ``state_sha256`` is the hash of its settings, where they were read; ``place`` is where the
    inventory has it.
    """

    host: str
    target: str
    state: State
    findings: tuple[AuditFinding, ...] = ()
    cells: dict[str, Cell] = field(default_factory=dict)
    state_sha256: str = ""
    place: Place | None = None

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding."""
        return max((found.severity for found in self.findings), default=None)


def evidence(texts: Iterable[str]) -> tuple[str, ...]:
    """Give each text once, in order, and not too many of them."""
    found = tuple(dict.fromkeys(text for text in texts if text))
    if len(found) <= MOST_EVIDENCE:
        return found
    return (*found[:MOST_EVIDENCE], f"{len(found) - MOST_EVIDENCE} more")
