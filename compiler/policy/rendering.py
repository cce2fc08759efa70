"""Render a part of a play for one host, and check what the templates made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compiler.errors import SourceError
from compiler.model.finding import Code, Finding
from compiler.policy.plays import Play
from compiler.source import schema
from compiler.source.secrets import public
from compiler.source.template import Templar, is_template


@dataclass(frozen=True, slots=True)
class Source:
    """Where an entry stands: the play (and its number) and the path inside of it."""

    number: int
    play: Play
    path: tuple[str | int, ...]


@dataclass(slots=True)
class Rendering:
    """One host's variables; a play's own win over them, ``extra_vars`` over both."""

    host: str
    variables: Mapping[str, Any]
    extra_vars: Mapping[str, Any]
    findings: list[Finding]
    _templars: dict[int, Templar] = field(default_factory=dict)

    def render(self, source: Source, part: dict[str, Any]) -> dict[str, Any] | None:
        """Render ``part`` of the source's play; ``None`` when that gives findings."""
        place = source.play.place(*source.path)
        try:
            rendered: dict[str, Any] = public(self._templar(source).render(part, place), place)
        except SourceError as error:
            self.findings.extend(replace(f, host=self.host) for f in error.findings)
            return None
        if rendered == part:
            return part
        play = {"hosts": "all", "passthrough": {"default": "keep"}, **rendered}
        findings = schema.check_data(
            [play],
            "policy",
            lambda path: source.play.place(*path[1:]),
            lambda path: source.play.key_place(*path[1:]),
        )
        if not findings and _still_template(rendered):
            text = "a template gives text that is a template again"
            findings = [Finding(Code.V302, text, place=place)]
        self.findings.extend(replace(f, host=self.host) for f in findings)
        return None if findings else rendered

    def _templar(self, source: Source) -> Templar:
        templar = self._templars.get(source.number)
        if templar is None:
            templar = Templar({**self.variables, **source.play.variables, **self.extra_vars})
            self._templars[source.number] = templar
        return templar


def _still_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_still_template(item) for item in value.values())
    if isinstance(value, list):
        return any(_still_template(item) for item in value)
    return isinstance(value, str) and is_template(str(value))
