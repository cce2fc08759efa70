"""Routers that are files in a folder, and a driver for them that works in any process.

What a router does when it is pushed to stands in ``reach["fake"]``: a word, or ``wait`` until a
file appears.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compiler.device.job import (
    Change,
    Job,
    Listener,
    Observed,
    Options,
    Progress,
    Result,
    State,
)
from compiler.errors import SecretError, TargetError
from compiler.fleet.crew import Crew
from compiler.fleet.events import Event, Summary
from compiler.fleet.executors import Threads
from compiler.fleet.journal import Entry
from compiler.fleet.work import Driver, Hear
from compiler.model.device import Device
from compiler.model.finding import Code, Finding
from compiler.model.intent import Intent
from compiler.model.step import StepName
from compiler.model.target import Bundle, File
from compiler.source.secrets import plain

BUNDLE = Bundle((File("settings", b"new"),), "settings")
OPTIONS = Options("run-1", "tester@here", deadline=600.0, confirm_timeout=120)
_ENDS = {
    "fail": State.FAILED,
    "refuse": State.REFUSED,
    "roll-back": State.ROLLED_BACK,
    "unreachable": State.UNREACHABLE,
    "unclear": State.UNCLEAR,
}


def observed(text: str) -> Observed:
    return Observed({}, text, hashlib.sha256(text.encode()).hexdigest())


def push(job: Job, options: Options, listen: Listener) -> Result:
    """Push to a file as the transaction does to a router."""
    fake = job.reach["fake"]
    listen(Progress(job.host, StepName.FACTS))
    path = Path(fake["folder"]) / job.host
    before = observed(path.read_text() if path.exists() else "old")
    with path.with_suffix(".pushes").open("a") as log:
        log.write(f"{options.run}\n")
    does = fake.get("does", "")
    if does == "reveal":
        path.write_text(hashlib.sha256(plain(job.reach["ansible_password"]).encode()).hexdigest())
        return Result(job.host, State.CHANGED)
    if does == "secret":
        raise SecretError.of(Code.V305, "no such secret")
    if does in _ENDS:
        found = Finding(Code.T405, f"told to {does}", hint="do not", host=job.host)
        return Result(job.host, _ENDS[does], StepName.APPLY, (found,), (), before)
    if job.expects and job.expects != before.sha256:
        found = Finding(Code.S825, "it has changed since the plan", host=job.host)
        return Result(job.host, State.REFUSED, StepName.READ, (found,), (), before)
    wanted = job.bundle.native_text
    changes = (Change("settings", before.native, wanted),)
    if before.native == wanted:
        return Result(job.host, State.UNCHANGED, StepName.READ, (), (), before)
    if options.check:
        return Result(job.host, State.WOULD_CHANGE, StepName.READ, (), changes, before)
    listen(Progress(job.host, StepName.APPLY))
    if does == "bug":
        raise ZeroDivisionError("with a password in its text")
    if does == "wait":
        wait_for(Path(fake["until"]))
    path.write_text(wanted)
    if does == "wait-after":
        wait_for(Path(fake["until"]))
    return Result(
        job.host, State.CHANGED, StepName.CONFIRM, (), changes, before, observed(wanted), 0.5
    )


def observe(job: Job, options: Options) -> Observed:
    """Look at the file."""
    path = Path(job.reach["fake"]["folder"]) / job.host
    if not path.exists():
        raise TargetError.of(Code.T405, f"{job.host} does not answer")
    return observed(path.read_text())


DRIVER = Driver(push, observe)


def _of_a_site(job: Job) -> Job:
    """Take what a router does from its user's name, where an inventory can say it."""
    folder = os.environ["PASSTHRU_TEST_ROUTERS"]
    does = str(job.reach.get("ansible_user", ""))
    return replace(job, reach={"fake": {"folder": folder, "does": does, "until": f"{folder}/go"}})


def push_of_a_site(job: Job, options: Options, listen: Listener) -> Result:
    """Push to a router of a real site, which is a file in the folder of the environment."""
    return push(_of_a_site(job), options, listen)


def observe_of_a_site(job: Job, options: Options) -> Observed:
    """Look at a router of a real site."""
    return observe(_of_a_site(job), options)


SITE_DRIVER = Driver(push_of_a_site, observe_of_a_site)


def wait_for(path: Path) -> None:
    """Wait until somebody makes a file."""
    while not path.exists():
        time.sleep(0.01)


@dataclass
class FakeJobs:
    """Routers in a folder; ``does`` says what some of them do instead of what they should."""

    folder: Path
    hosts: Sequence[str]
    does: Mapping[str, str] = field(default_factory=dict)
    expects: Mapping[str, str] = field(default_factory=dict)
    policy_sha256: str = "p" * 64
    bundles: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    reach: Mapping[str, Any] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        return [Entry(host, "fake", self.bundles.get(host, "b" * 64)) for host in self.hosts]

    def job(self, host: str) -> Job:
        fake = {
            "folder": str(self.folder),
            "does": self.does.get(host, ""),
            "until": self.until or str(self.folder / "go"),
        }
        if fake["does"] == "no-job":
            raise TargetError.of(Code.T405, "there can be no job", host=host)
        return Job(
            host, Device(host, "fake", ()), Intent(host), BUNDLE, self.policy_sha256,
            {"fake": fake, **self.reach}, self.expects.get(host, ""),
        )  # fmt: skip


@dataclass
class Watch:
    """Remembers what it is told, and does something when ``on`` says so."""

    events: list[Event] = field(default_factory=list)
    on: Callable[[Event], None] | None = None

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self.on:
            self.on(event)

    @property
    def results(self) -> dict[str, State]:
        return {event.host: event.state for event in self.events if isinstance(event, Result)}


def threads(forks: int = 10, batch: int = 1) -> Crew:
    return Crew(Threads(), forks, batch, lambda: None, no_relay)


def no_relay(run: str, hear: Hear) -> None:
    """Relay nothing."""


def names(number: int) -> list[str]:
    return [f"r{index:05}" for index in range(number)]


def counted(summary: Summary) -> dict[str, int]:
    return {str(state): number for state, number in Counter(summary.counts).items()}
