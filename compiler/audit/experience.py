"""What packets experience on a router, by what it answered: read, and where asked for, tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from compiler.audit.finding import AuditFinding
from compiler.audit.redact import clean
from compiler.device.job import Change
from compiler.model.device import Device, Fact
from compiler.model.effect import Effect, Probe
from compiler.model.finding import Code, Finding, Severity
from compiler.model.modules import FACT as MODULES
from compiler.model.survey import Survey, Surveys
from compiler.model.target import Target


@runtime_checkable
class Partial(Protocol):
    """A target whose read step does not print all that decides: optional members."""

    def alone(self, native: str) -> bool:
        """Tell whether a text holds nothing but what is ours, so that our settings decide."""
        ...

    def elsewhere(self, facts: Mapping[str, str]) -> str:
        """Say who else decides on the router by its facts; nothing where nobody does."""
        ...


@runtime_checkable
class Beside(Protocol):
    """A target whose settings are loaded beside what is there: an optional member."""

    def survey_with(self, settings: Any, native: str, device: Device) -> Survey:
        """Read a whole native text as it will be with these settings."""
        ...


#: Takes what was read, and gives what is known once packets were sent, and findings.
Twin = Callable[[Survey | None, Sequence[Effect]], tuple[tuple[Effect, ...], list[AuditFinding]]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a router answered.

    ``changes`` is what a push would change; ``None``: not known. ``twin`` is asked what reading
    leaves open.
    """

    native: str
    facts: Mapping[str, str]
    changes: tuple[Change, ...] | None = None
    twin: Twin | None = None


def experienced(
    target: Target[Any], device: Device, answer: Answer, probes: Sequence[Probe]
) -> tuple[tuple[Effect, ...], list[AuditFinding]]:
    """Say what probes experience, and what is to be said about the text.

    Raises:
        NativeError: T407.
    """
    partial = target if isinstance(target, Partial) and target.alone(answer.native) else None
    survey = None
    if isinstance(target, Surveys) and (partial is None or answer.twin is not None):
        survey = target.survey(answer.native, device)
    if survey is None or partial is not None:
        effects = target.effects(target.parse(answer.native, device), device, probes)
    else:
        effects = survey.effects(probes)
    said = list(_said(survey, partial, answer.facts))
    if answer.twin is not None:
        effects, more = answer.twin(survey, effects)
        said += more
    return effects, said


def _said(
    survey: Survey | None, partial: Partial | None, facts: Mapping[str, str]
) -> Iterator[AuditFinding]:
    """Say what there is to say about the text itself."""
    if partial is not None:
        others = clean(partial.elsewhere(facts))
        yield from [_not_read(others)] if others else []
    elif survey is not None:
        yield from map(_surveyed, survey.findings)


def _not_read(others: str) -> AuditFinding:
    return AuditFinding(
        Code.A860,
        Severity.WARNING,
        f"other filters of the router are not read, and may drop what passes here: {others}",
        mend="save the whole ruleset, and audit it with --from",
    )


def _surveyed(found: Finding) -> AuditFinding:
    return AuditFinding(
        found.code, Severity.INFO, clean(found.message), found.protocol, mend=clean(found.hint)
    )


def with_facts(device: Device, said: Mapping[str, str]) -> Device:
    """Let what the router says of its kernel win over what the inventory states."""
    facts: dict[str, Fact] = dict(device.facts)
    if MODULES in said:
        facts[MODULES] = [name for name in said[MODULES].split() if name]
    if "kernel" in said and "kernel" not in facts:
        facts["kernel"] = said["kernel"]
    return replace(device, facts=MappingProxyType(facts))
