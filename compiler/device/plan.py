"""What a router has, what it should have, and the difference: settings are compared, never text.

What should be is the router's own text with our settings merged into it, read again: switches that
no policy manages are then equal by themselves, and so is whatever else is not ours.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from compiler.device.job import Change, Job, Observed
from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Action
from compiler.model.target import Procedure, Target

#: The fact that names what must be written although the settings are equal: a file that the next
#: boot would load, rules that are in the config and not in the kernel.
STALE = "stale"
_NOT_CURRENT = "not current"
_CURRENT = "current"


_Made = TypeVar("_Made")
#: Of a fleet, many routers are alike: what is worked out for one is kept for the next. Everything
#: kept is a pure function of its key, and as small as a router's settings.
_MOST_KEPT = 512
_kept: dict[Hashable, Any] = {}
_making: dict[Hashable, threading.Lock] = {}
_keeping = threading.Lock()


@dataclass(frozen=True, slots=True)
class Listing:
    """Settings as a flat listing, and its hash."""

    items: Mapping[str, str]
    sha256: str


class Goal:
    """What a job wants of its router, read by the router's target, and what lacks of it."""

    def __init__(self, target: Target[Any], job: Job) -> None:
        """Tell apart routers that the same settings may mean something else on."""
        self._target = target
        self._job = job
        self._kind = _told_apart(job.device)

    def procedure(self) -> Procedure:
        """Give the procedure of the job's bundle."""
        return _keep(
            ("procedure", self._kind, self._job.bundle),
            lambda: self._target.procedure(self._wanted(), self._job.device),
        )

    def observed(self, facts: Mapping[str, str], native: str) -> Observed:
        """Describe what was read. Its hash is that of the settings: a counter changes nothing.

        Raises:
            NativeError: the text cannot be read.
        """
        return Observed(dict(facts), native, self._listing(native).sha256)

    def changes(self, observed: Observed) -> tuple[Change, ...]:
        """Compare what a router has with what it should have.

        Raises:
            NativeError: the router's text cannot be read, or cannot take our settings.
        """
        native = observed.native

        def compare() -> tuple[Change, ...]:
            merged = self._target.merge(self._wanted(), native, self._job.device)
            if merged == native:
                return ()
            return difference(self._listing(native).items, self._listing(merged).items)

        found = _keep(("changes", self._kind, self._job.bundle, native), compare)
        stale = observed.facts.get(STALE, "").split()
        return (*found, *(Change(name, _NOT_CURRENT, _CURRENT) for name in stale))

    def _wanted(self) -> Any:
        """Read the job's bundle."""
        text = self._job.bundle.native_text
        parse = self._target.parse
        return _keep(("wanted", self._kind, text), lambda: parse(text, self._job.device))

    def _listing(self, native: str) -> Listing:
        return _keep(("listing", self._kind, native), lambda: self._listed(native))

    def _listed(self, native: str) -> Listing:
        settings = self._target.parse(native, self._job.device)
        own = getattr(self._target, "items", None)
        if callable(own):
            found: Mapping[str, str] = own(settings)
        else:
            text = self._target.render(settings, self._job.device).native_text
            found = {f"line {number}": line for number, line in enumerate(text.splitlines(), 1)}
        whole = json.dumps(dict(found), sort_keys=True, ensure_ascii=False)
        return Listing(found, hashlib.sha256(whole.encode(errors="replace")).hexdigest())


def _keep(key: Hashable, make: Callable[[], _Made]) -> _Made:
    """Give what is kept, or make it: once, although fifty routers ask at the same time."""
    found = _kept.get(key, _kept)  # the memo itself stands for nothing: it is no value of its own
    if found is not _kept:
        return cast("_Made", found)
    with _keeping:
        lock = _making.setdefault(key, threading.Lock())
    try:
        with lock:
            found = _kept.get(key, _kept)
            if found is not _kept:
                return cast("_Made", found)
            made = make()
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[key] = made
            return made
    finally:
        with _keeping:
            _making.pop(key, None)


def _told_apart(device: Device) -> str:
    zones = [(zone.name, zone.role, zone.devices, zone.networks) for zone in device.zones]
    return repr((device.target, zones, dict(device.facts), dict(device.options)))


_UNHELPED = {
    "absent": "no module of it is loaded",
    "idle": "it is loaded, and nothing assigns it to connections",
}


def unhelped(job: Job, observed: Observed) -> tuple[Finding, ...]:
    """Tell of protocols that the policy passes and whose NAT helper was not seen at work.

    A router whose facts do not speak of a helper (``helper_NAME``) has other means to verify it.
    """
    found: list[Finding] = []
    for decision in job.intent.decisions:
        state = observed.facts.get(f"helper_{decision.protocol}", "assigned")
        if decision.action is Action.PASS and state != "assigned":
            why = _UNHELPED.get(state, "whether it is assigned to connections is unknown")
            message = f"the NAT helper of {decision.protocol} was not seen at work: {why}"
            found.append(Finding(Code.D503, message, Severity.WARNING, protocol=decision.protocol))
    return tuple(found)


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """Give what differs between two listings, in the order of the items."""
    names = sorted({*before, *after})
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def facts_of(text: str) -> dict[str, str]:
    """Read lines of ``name=value``; what is none is left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name.replace("_", "").isalnum():
            found[name] = value.strip()
    return found


def shown(changes: tuple[Change, ...], most: int = 3) -> str:
    """Name a few changes in one line, for a message."""
    named = ", ".join(change.item for change in changes[:most])
    return named if len(changes) <= most else f"{named} and {len(changes) - most} more"
