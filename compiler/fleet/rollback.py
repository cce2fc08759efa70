"""The way back: jobs that restore what the journal has of routers, through the same transaction.

A recorded text is read by its target and printed again, so what comes back are the settings that
are ours; everything else on the router stays as it is now.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from compiler.build.device import Devices
from compiler.build.registry import Registry
from compiler.device.job import Job, State
from compiler.errors import InventoryError, JournalError, PassthruError
from compiler.fleet.history import DONE, History, Record, Run
from compiler.fleet.jobs import reach_of
from compiler.fleet.journal import Entry, bundle_digest
from compiler.inventory import Inventory
from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Intent
from compiler.model.target import Bundle

#: States after which a router may be other than before.
_TOUCHED = frozenset({State.CHANGED, State.UNCLEAR})


@dataclass(frozen=True, slots=True)
class Goal:
    """A run, and whether routers go to how it left them or to how it found them."""

    run: Run
    left: bool


def goal(history: History, to: str = "", before: str = "") -> Goal:
    """Give the goal that a user named: the state that run ``to`` left, or ``before`` found.

    With neither: before the newest run that changed something.

    Raises:
        JournalError: S826, there is no such run.
    """
    if to:
        return Goal(history.run(to), left=True)
    if before:
        return Goal(history.run(before), left=False)
    for run in history.runs():
        if any(run.counts.get(state) for state in _TOUCHED):
            return Goal(run, left=False)
    raise JournalError.of(Code.S826, "the journal holds no run that changed something")


@dataclass(slots=True)
class RecordedJobs:
    """Routers of an earlier run, with bundles made of what was recorded there.

    A router that cannot be restored is among them; its job raises.
    """

    policy_sha256: str
    entries: Sequence[Entry] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    problems: dict[str, tuple[Finding, ...]] = field(default_factory=dict)

    def job(self, host: str) -> Job:
        """Give one router's job.

        Raises:
            JournalError: what was recorded cannot be restored.
        """
        if host in self.problems:
            raise JournalError(self.problems[host])
        return self.jobs[host]


class Recorded:
    """Makes jobs out of a journal, with devices and connections as the inventory has them now."""

    def __init__(self, history: History, inventory: Inventory, registry: Registry) -> None:
        """Take what the jobs are made of."""
        self._history = history
        self._inventory = inventory
        self._registry = registry
        self._devices = Devices(registry)
        self._bundles: dict[str, Bundle] = {}

    def jobs(self, goal: Goal, hosts: Collection[str] | None, *, force: bool) -> RecordedJobs:
        """Give the jobs that lead to a goal, for these hosts or for all of the run.

        Unless ``force``, a router must still be as its newest run left it.
        """
        found = RecordedJobs(goal.run.policy_sha256 if goal.left else "")
        found.entries = [
            self._entry(found, record, goal, force=force)
            for record in self._history.records(goal.run.id)
            if (hosts is None or record.host in hosts) and _concerned(record, goal)
        ]
        return found

    def _entry(self, found: RecordedJobs, record: Record, goal: Goal, *, force: bool) -> Entry:
        host = record.host
        try:
            job = self._job(record, goal, force=force)
        except PassthruError as error:
            found.problems[host] = error.findings
            return Entry(host, record.target, "")
        found.jobs[host] = job
        return Entry(host, record.target, bundle_digest(record.target, job.bundle))

    def _job(self, record: Record, goal: Goal, *, force: bool) -> Job:
        host = record.host
        text = (record.after or record.before) if goal.left else record.before
        if not text or (goal.left and record.state is State.UNCLEAR):
            raise _cannot(host, f"run {record.run} did not see the state that is wanted back")
        if host not in self._inventory.hosts:
            raise _cannot(host, "the inventory no longer has it")
        device = self._device(record)
        target = self._registry.get(record.target)
        native = self._history.text(text)
        settings = target.parse(native, device)
        bundle = target.render(settings, device)
        bundle = self._bundles.setdefault(bundle_digest(record.target, bundle), bundle)
        return Job(
            host,
            device,
            Intent(host),
            bundle,
            record.policy_sha256 if goal.left else "",
            reach_of(self._inventory, host),
            "" if force else self._expected(host),
        )

    def _device(self, record: Record) -> Device:
        device, findings = self._devices.device(self._inventory.host(record.host))
        if device is None:
            raise InventoryError(f for f in findings if f.severity is Severity.ERROR)
        if device.target != record.target:
            raise _cannot(record.host, f"it was {record.target} then and is {device.target} now")
        return device

    def _expected(self, host: str) -> str:
        newest = self._history.newest(host)
        if newest is None or newest.state not in DONE:
            return ""
        return newest.after_sha256 or newest.before_sha256


def _concerned(record: Record, goal: Goal) -> bool:
    if goal.left:
        return record.state is not State.SKIPPED
    return record.state in _TOUCHED


def _cannot(host: str, why: str) -> PassthruError:
    return JournalError.of(Code.S831, f"cannot be restored: {why}", host=host)
