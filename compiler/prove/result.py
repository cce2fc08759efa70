"""What a proof found: typed, the same for every tier, and as JSON (``passthru/proof/v1``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from compiler.model.finding import Finding, Place
from compiler.model.intent import Action
from compiler.model.protocol import Family

SCHEMA = "passthru/proof/v1"


class Kind(StrEnum):
    """What a check is about.

    - ``exchange``: a whole exchange, from a client's own address.
    - ``limit``: the first packets and their answers, at the borders that limits draw.
    - ``running``: a tunnel that is up when the policy lands; blocked means that it dies.
    - ``inbound``: an exchange that somebody in the WAN opens, with an exposed server.
    - ``unasked``: packets from the WAN that belong to nothing.
    - ``signature``: the first packet on a port that is not the protocol's.
    - ``vpn``: real VPN software, in the tier of that name.
    """

    EXCHANGE = "exchange"
    LIMIT = "limit"
    RUNNING = "running"
    INBOUND = "inbound"
    UNASKED = "unasked"
    SIGNATURE = "signature"
    VPN = "vpn"


class Experience(StrEnum):
    """What became of a flow: all of it came through, nothing got out, or something between."""

    PASSED = "passed"
    BLOCKED = "blocked"
    PARTLY = "partly"


@dataclass(frozen=True, slots=True)
class Loss:
    """Where a flow was lost: which message, on which way, and why (the rule, where one did it)."""

    message: str
    way: str
    because: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One flow of one client, as wanted and as it went.

    ``predicted`` is what the target's effects say: ``pass``, ``block``, ``partly`` or
    ``unknown``. ``accepted`` names the deviation that compiling told about and the policy accepts.
    ``place`` is the policy line that wants it.
    """

    kind: Kind
    protocol: str
    flow: str
    family: Family
    client: str
    zone: str
    way: str
    source: str
    destination: str
    wanted: Action
    found: Experience
    predicted: str = ""
    lost: Loss | None = None
    accepted: str = ""
    place: Place | None = None

    @property
    def as_wanted(self) -> bool:
        """Tell whether it went as the intent wants."""
        wanted = Experience.PASSED if self.wanted is Action.PASS else Experience.BLOCKED
        return self.found is wanted

    @property
    def as_predicted(self) -> bool:
        """Tell whether it went as the target's effects say, as far as they say anything.

        What is open although it should be blocked is open, whether or not answers come back.
        """
        if self.predicted == "pass" and self.wanted is Action.BLOCK:
            return self.found is not Experience.BLOCKED
        told = {"pass": Experience.PASSED, "block": Experience.BLOCKED, "partly": Experience.PARTLY}
        return told.get(self.predicted, self.found) is self.found

    @property
    def differs(self) -> bool:
        """Tell whether this makes the proof fail."""
        return not (self.as_wanted or self.accepted) or not self.as_predicted


@dataclass(frozen=True, slots=True)
class RouterProof:
    """What was found on one router; routers that differ in nothing but their name share one.

    ``modelled``: a model of the firmware stood in the router's place, ``basis`` says whose.
    ``left_out`` counts packets that cannot be sent, by reason.
    """

    hosts: tuple[str, ...]
    target: str
    tier: str
    modelled: bool = False
    basis: str = ""
    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()
    left_out: tuple[tuple[str, int], ...] = ()

    def of_hosts(self, hosts: tuple[str, ...]) -> RouterProof:
        """Give the same proof for all the routers that it holds for."""
        return replace(self, hosts=hosts)

    @property
    def proven(self) -> bool:
        """Tell whether the router was put to the proof at all."""
        return bool(self.checks)

    @property
    def differences(self) -> tuple[Check, ...]:
        """The checks that make the proof fail."""
        return tuple(check for check in self.checks if check.differs)

    @property
    def verdict(self) -> str:
        """``proven``, ``differs``, ``not provable``, or ``nothing``: the policy says nothing."""
        if self.differences:
            return "differs"
        if self.proven:
            return "proven"
        return "not provable" if self.findings else "nothing"


@dataclass(frozen=True, slots=True)
class Proof:
    """Every router's proof."""

    routers: tuple[RouterProof, ...] = field(default=())

    @property
    def differs(self) -> bool:
        """Tell whether anything differs from the policy or from what compiling predicted."""
        return any(router.differences for router in self.routers)

    def data(self) -> dict[str, Any]:
        """Give the proof as JSON data; see ``schemas/proof.schema.json``."""
        return {
            "schema": SCHEMA,
            "differs": self.differs,
            "routers": [_router(router) for router in self.routers],
        }


def _router(router: RouterProof) -> dict[str, Any]:
    return {
        "hosts": list(router.hosts),
        "target": router.target,
        "tier": router.tier,
        "verdict": router.verdict,
        "modelled": router.modelled,
        "basis": router.basis,
        "checks": _rows(router.checks),
        "left_out": dict(router.left_out),
        "findings": [
            {"code": f.code.name, "severity": f.severity.word, "message": f.message, "hint": f.hint}
            for f in router.findings
        ],
    }


def _rows(checks: Iterable[Check]) -> list[dict[str, Any]]:
    """Put checks that differ in nothing but addresses into one row, with one of them as example."""
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for check in checks:
        row = _row(check)
        key = tuple(sorted((name, str(value)) for name, value in row.items()))
        known = rows.setdefault(key, {**row, "count": 0, "example": _example(check)})
        known["count"] += 1
    return list(rows.values())


def _example(check: Check) -> dict[str, str]:
    return {"source": check.source, "destination": check.destination}


def _row(check: Check) -> dict[str, Any]:
    row: dict[str, Any] = {
        "kind": check.kind.value,
        "protocol": check.protocol,
        "flow": check.flow,
        "family": check.family.value,
        "client": check.client,
        "zone": check.zone,
        "way": check.way,
        "wanted": check.wanted.value,
        "found": check.found.value,
        "as_wanted": check.as_wanted,
        "differs": check.differs,
    }
    if check.predicted:
        row["predicted"] = check.predicted
    if check.accepted:
        row["accepted"] = check.accepted
    if check.lost:
        lost = check.lost
        row["lost"] = {"message": lost.message, "way": lost.way, "because": lost.because}
        if lost.rule:
            row["lost"]["rule"] = lost.rule
    return row
