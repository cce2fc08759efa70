"""Plan files: what a push would do, bound to the state that the routers were in.

A plan holds hashes and differences, nothing to push: what is pushed is compiled again, and must be
the same. So a plan that somebody meddled with can make a push refuse, but not push anything else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from compiler import __version__
from compiler.device.job import Job, Result, State
from compiler.errors import PlanError
from compiler.fleet.journal import Entry, changes_data
from compiler.fleet.run import Jobs
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.source import schema

SCHEMA = "passthru/plan/v1"
_PLANNED = frozenset({State.WOULD_CHANGE, State.UNCHANGED})
_AGAIN = "make the plan again"
_MOST_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class PlanBuilder:
    """Collects the results of a ``--check`` run."""

    policy_sha256: str
    operator: str
    entries: Mapping[str, Entry]
    hosts: dict[str, dict[str, str]] = field(default_factory=dict)
    diffs: dict[str, list[dict[str, str | None]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Take one router's result."""
        if result.state not in _PLANNED or result.before is None:
            self.missing[result.host] = str(result.state)
            return
        entry = self.entries[result.host]
        changes = changes_data(result.changes)
        digest = _digest(changes)
        self.diffs[digest] = changes
        self.hosts[result.host] = {
            "target": entry.target,
            "bundle_sha256": entry.bundle_sha256,
            "state_sha256": result.before.sha256,
            "diff": digest,
        }

    def text(self) -> str:
        """Give the plan file."""
        data = {
            "schema": SCHEMA,
            "made": {
                "by": self.operator,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "version": __version__,
            },
            "policy_sha256": self.policy_sha256,
            "hosts": dict(sorted(self.hosts.items())),
            "diffs": dict(sorted(self.diffs.items())),
            "missing": dict(sorted(self.missing.items())),
        }
        return json.dumps(data | {"sha256": _digest(data)}, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan file that was read and found whole."""

    path: str
    policy_sha256: str
    hosts: Mapping[str, Mapping[str, str]]
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedJobs:
    """The routers of a site that are in a plan, each bound to the state it had then."""

    site: Jobs
    plan: Plan
    entries: Sequence[Entry]

    @property
    def policy_sha256(self) -> str:
        """The policy of both."""
        return self.site.policy_sha256

    def job(self, host: str) -> Job:
        """Make one router's job."""
        return replace(self.site.job(host), expects=self.plan.hosts[host]["state_sha256"])


def read_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        PlanError: S824, it cannot be read, is none, is of another version, or was changed.
    """
    data = _load(path)
    named = data.get("schema") if isinstance(data, dict) else None
    if named != SCHEMA:
        other = isinstance(named, str) and named.startswith("passthru/plan/")
        what = f"is of another version ({str(named)[:40]})" if other else "is not a plan"
        raise _bad(path, what, _AGAIN if other else "passthru plan -o FILE makes one")
    problems = schema.errors(data, "plan")
    if problems:
        where = "/".join(map(str, problems[0].absolute_path)) or "the file"
        raise _bad(path, f"does not follow its schema at {where[:80]}")
    stated = data.pop("sha256")
    if stated != _digest(data):
        raise _bad(path, "was changed after it was made")
    return Plan(str(path), data["policy_sha256"], data["hosts"], data["missing"])


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise _bad(path, "is too large")
        return json.loads(raw)
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror or type(error).__name__}") from None
    except (ValueError, RecursionError):
        raise _bad(path, "is not JSON", "was it cut short?") from None


def bind(plan: Plan, site: Jobs, *, limited: bool) -> tuple[PlannedJobs, list[Finding]]:
    """Hold a plan against the site as it is compiled now.

    With ``limited`` hosts of the plan may be missing from the site. Gives the jobs, and
    warnings about routers that the site has and the plan has not.

    Raises:
        PlanError: S824, made for another policy; S825, routers that are compiled otherwise now.
    """
    place = Place(plan.path)
    if plan.policy_sha256 != site.policy_sha256:
        message = "the plan was made for another policy than this one"
        raise PlanError.of(Code.S824, message, place, _AGAIN)
    now = {entry.host: entry for entry in site.entries}
    problems = [
        Finding(Code.S825, _difference(now.get(host)), place=place, hint=_AGAIN, host=host)
        for host, entry in plan.hosts.items()
        if _differs(entry, now.get(host), limited=limited)
    ]
    if problems:
        raise PlanError(problems)
    warnings = [
        Finding(Code.S825, _left_out(host, plan), Severity.WARNING, place, _AGAIN, host)
        for host in now
        if host not in plan.hosts
    ]
    entries = [entry for host, entry in now.items() if host in plan.hosts]
    return PlannedJobs(site, plan, entries), warnings


def _differs(planned: Mapping[str, str], now: Entry | None, *, limited: bool) -> bool:
    if now is None:
        return not limited
    return (planned["target"], planned["bundle_sha256"]) != (now.target, now.bundle_sha256)


def _difference(now: Entry | None) -> str:
    if now is None:
        return "in the plan, but no longer in the site"
    return "compiled otherwise now: variables have changed since the plan was made"


def _left_out(host: str, plan: Plan) -> str:
    state = plan.missing.get(host)
    if state:
        return f"left out: {state} when the plan was made"
    return "left out: not in the plan"


def _bad(path: Path, what: str, hint: str = "") -> PlanError:
    return PlanError([Finding(Code.S824, f"the plan {what}", place=Place(str(path)), hint=hint)])


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
