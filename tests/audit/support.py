"""What the audit tests share: routers that were compiled, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import click

from compiler.audit.experience import Answer
from compiler.audit.judge import Judged, audit
from compiler.audit.reports.text import finding_lines
from compiler.audit.run import job_of
from compiler.build.plan import Compiled, RouterCompiler
from compiler.build.registry import installed
from compiler.build.site import Router
from compiler.device.job import Change
from compiler.device.plan import Goal
from compiler.model.device import Device
from compiler.model.finding import Severity
from compiler.model.intent import Intent, OnDeviation
from compiler.model.target import Target

TODAY = date(2026, 1, 1)
MEND = "passthru push -l router"


def target_of(device: Device) -> Target[Any]:
    return installed().get(device.target)


def compiled_of(device: Device, intent: Intent) -> Compiled | None:
    tolerant = replace(intent, on_deviation=OnDeviation.WARN)
    router = Router(device, tolerant, (), frozenset())
    item, _ = RouterCompiler(installed(), OnDeviation.WARN).compile(router)
    return item


def native_of(item: Compiled, base: str = "") -> str:
    """Give what a router has after a push; ``base`` is what it had before."""
    if not base:
        return item.bundle.native_text
    return target_of(item.router.device).merge(item.outcome.settings, base, item.router.device)


def changes_of(item: Compiled, native: str) -> tuple[Change, ...]:
    target = target_of(item.router.device)
    job = job_of(item, "policy")
    goal = Goal(target, job)
    return goal.changes(goal.observed({}, native))


def judged(item: Compiled, native: str, facts: Mapping[str, str] | None = None) -> Judged:
    answer = Answer(native, facts or {}, changes_of(item, native))
    found = audit(item, answer, target_of(item.router.device), MEND, TODAY)
    for each in found.findings:  # whatever a router holds, a terminal and a page can show
        assert all(text.isprintable() for text in (*each.evidence, *each.settings, each.mend))
        assert all(len(click.unstyle(line)) <= 81 for line in finding_lines(each))
    return found


def codes(found: Judged, least: Severity = Severity.INFO) -> set[str]:
    return {each.code.name for each in found.findings if each.severity >= least}
