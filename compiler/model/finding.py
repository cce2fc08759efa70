"""Findings: everything the program has to say about a file, a router or a policy.

A finding has a stable code, a severity, a place and, where one is known, the way out. The
command line prints them; exceptions carry them; reports serialise them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Severity(IntEnum):
    """How much a finding matters; larger is worse."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The lower-case word that people and JSON read."""
        return self.name.lower()


class Code(Enum):
    """Every stable code: the name is the code, the value says what it is about.

    P: policy and protocol files; I: inventory; V: variables and templates; T: targets;
    D: deviations of effects from the intent; L: lint; B: build and output; U: usage.
    """

    P100 = "the file cannot be read"
    P101 = "the file is not valid YAML"
    P102 = "the file does not follow its schema"
    P103 = "a key is written twice"
    P104 = "unknown protocol"
    P105 = "unknown key"
    P106 = "the file is empty"
    P107 = "the file is too large, too deep or expands without end"
    P108 = "the text is not UTF-8"
    P109 = "an address list is empty"
    P110 = "this is not an address or a network"
    P111 = "unknown zone"
    P112 = "this is not a port"
    P113 = "blocking a flow that other traffic shares needs `collateral: accept`"
    P114 = "two protocols share a flow and disagree about it"
    P115 = "this limit means nothing here"
    P116 = "a grant has expired"
    P117 = "a protocol is defined twice or contradicts the catalogue"
    P118 = "the protocol cannot be told apart as asked"
    P119 = "the exposure is impossible"
    I201 = "the inventory cannot be read"
    I202 = "the inventory is not valid"
    I203 = "unknown host or group in a pattern"
    I204 = "the host has no target"
    I205 = "the inventory holds no hosts"
    I206 = "a variable of ours is invalid"
    I207 = "a host or group name is invalid"
    I208 = "a group is its own descendant"
    I209 = "an inventory script failed"
    V301 = "undefined variable in a template"
    V302 = "invalid template"
    V303 = "the template does something that templates may not do"
    V304 = "the template does not end or grows too large"
    V305 = "a secret cannot be resolved"
    V306 = "a template loops over itself"
    T401 = "unknown target"
    T402 = "the target cannot be loaded"
    T403 = "two distributions define the same target"
    T404 = "the target needs a fact or a zone setting that is missing or invalid"
    T405 = "the router lacks something that the policy needs"
    T406 = "the target cannot express this"
    T407 = "the native text cannot be read"
    T408 = "a name cannot be used on this router"
    D501 = "open although the policy blocks it"
    D502 = "blocked although the policy passes it"
    D503 = "the filter passes it but the NAT helper does not work"
    D504 = "the effect is unknown"
    D505 = "running tunnels survive a block"
    L601 = "an insecure protocol is passed"
    L602 = "nothing of this play is decided any more"
    L603 = "the play matches no host"
    L604 = "this can never work"
    L605 = "the block does not reach what it seems to reach"
    L606 = "a grant ends soon"
    L607 = "a default leaves this out"
    B701 = "the output cannot be written"
    B702 = "the output is stale"
    B703 = "the output folder holds something that is not ours"
    U801 = "usage"
    X901 = "internal error"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file: 1-based line and column, ``length`` characters long (0: unknown)."""

    file: str
    line: int = 0
    column: int = 0
    length: int = 0

    def __str__(self) -> str:
        """Give ``file:line:col`` as far as it is known."""
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say: what (code, message), how bad, where, about whom, and the way out."""

    code: Code
    message: str
    severity: Severity = Severity.ERROR
    place: Place | None = None
    hint: str = ""
    host: str = ""
    protocol: str = ""

    @property
    def sort_key(self) -> tuple[str, int, int, str, str, str]:
        """Order by place, then by code, so that output is stable."""
        place = self.place or Place("")
        return (place.file, place.line, place.column, self.code.name, self.host, self.message)
