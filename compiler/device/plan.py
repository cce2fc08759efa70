"""What a router has, what it should have, and the difference: settings are compared, never text.

What should be is the router's own text with our settings merged into it, read again: switches that
no policy manages are then equal by themselves, and so is whatever else is not ours.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
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


def prepared(target: Target[Any], job: Job) -> Procedure:
    """Give the procedure of a job's bundle."""

    def make() -> Procedure:
        return target.procedure(_wanted(target, job), job.device)

    return _keep(("procedure", _kind(job), job.bundle), make)


def changes(target: Target[Any], job: Job, observed: Observed) -> tuple[Change, ...]:
    """Compare what a router has with what it should have.

    Raises:
        NativeError: the router's text cannot be read, or cannot take our settings.
    """
    native = observed.native

    def compare() -> tuple[Change, ...]:
        merged = target.merge(_wanted(target, job), native, job.device)
        if merged == native:
            return ()
        return difference(_listing(target, job, native).items, _listing(target, job, merged).items)

    found = _keep(("changes", _kind(job), job.bundle, native), compare)
    stale = observed.facts.get(STALE, "").split()
    return (*found, *(Change(name, _NOT_CURRENT, _CURRENT) for name in stale))


def _wanted(target: Target[Any], job: Job) -> Any:
    """Read a job's bundle."""
    text = job.bundle.native_text
    return _keep(("wanted", _kind(job), text), lambda: target.parse(text, job.device))


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


def _kind(job: Job) -> str:
    """Tell routers apart that settings may mean something else on; a push asks many times."""
    device, told = _last_kind.get()
    if device is not job.device:
        device, told = job.device, _told_apart(job.device)
        _last_kind.set((device, told))
    return told


_last_kind: ContextVar[tuple[Device | None, str]] = ContextVar("last_kind", default=(None, ""))


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


def _listing(target: Target[Any], job: Job, native: str) -> Listing:
    return _keep(("listing", _kind(job), native), lambda: _listed(target, job, native))


def _listed(target: Target[Any], job: Job, native: str) -> Listing:
    settings = target.parse(native, job.device)
    own = getattr(target, "items", None)
    if callable(own):
        found: Mapping[str, str] = own(settings)
    else:
        text = target.render(settings, job.device).native_text
        found = {f"line {number}": line for number, line in enumerate(text.splitlines(), 1)}
    whole = json.dumps(dict(found), sort_keys=True, ensure_ascii=False)
    return Listing(found, hashlib.sha256(whole.encode(errors="replace")).hexdigest())


def observed(target: Target[Any], job: Job, facts: Mapping[str, str], native: str) -> Observed:
    """Describe what was read. Its hash is that of the settings, so that a counter changes nothing.

    Raises:
        NativeError: the text cannot be read.
    """
    return Observed(dict(facts), native, _listing(target, job, native).sha256)


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
