"""The users' own protocols, added to the catalogue or refused with every reason at its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from compiler.catalogue.catalogue import Catalogue
from compiler.catalogue.judge import contradictions
from compiler.catalogue.read import protocol_from
from compiler.errors import PolicyError
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.protocol import Protocol
from compiler.source import schema
from compiler.source.yaml import Document

_SCHEMA = "protocols"
#: Words that stand where a policy names a protocol.
_RESERVED = frozenset({"default"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """One protocol of one document. ``valid``: it follows the schema."""

    document: Document
    id: str
    data: Any
    valid: bool

    @property
    def path(self) -> tuple[str | int, ...]:
        return ("protocols", self.id)

    def about(self, key: str, message: str, hint: str = "") -> Finding:
        place = self.document.place((*self.path, key))
        return Finding(Code.P117, message, place=place, hint=hint)


def extend(catalogue: Catalogue, documents: Sequence[Document]) -> Catalogue:
    """Add the protocols of the users' files to the catalogue.

    Raises:
        PolicyError: with everything that is wrong with the files: P102 and P105 (schema),
            P106 (empty), P112 (ports), P117 (defined twice, a contradiction, or a parent
            that is unknown or its own descendant).
    """
    findings = [finding for document in documents for finding in _against_schema(document)]
    entries = [entry for document in documents for entry in _entries(document)]
    findings += _name_clashes(catalogue, entries)
    known = {*catalogue.protocols, *(entry.id for entry in entries)}
    valid = [entry for entry in entries if entry.valid]
    for entry in valid:
        findings += _unknown_relatives(catalogue, entry, known)
        findings += contradictions(entry.document, entry.path, entry.data, catalogue)
    findings += _cycles(valid)
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise PolicyError(findings)
    merged: dict[str, Protocol] = dict(catalogue.protocols)
    merged |= {e.id: protocol_from(e.id, e.data, builtin=False) for e in valid}
    return Catalogue(MappingProxyType(dict(sorted(merged.items()))))


def _against_schema(document: Document) -> list[Finding]:
    if document.data is None:
        hint = "leave the file out, or write `protocols:` and at least one protocol"
        return [Finding(Code.P106, "the file is empty", place=document.place(), hint=hint)]
    return schema.check(document, _SCHEMA)


def _entries(document: Document) -> Iterator[_Entry]:
    named = document.data.get("protocols") if isinstance(document.data, dict) else None
    if not isinstance(named, dict):
        return
    for id_, data in named.items():
        valid = not schema.errors({"protocols": {id_: data}}, _SCHEMA)
        yield _Entry(document, str(id_), data, valid)


def _name_clashes(catalogue: Catalogue, entries: Sequence[_Entry]) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for protocol in catalogue.protocols.values():
        kind = "built in" if protocol.builtin else "already defined"
        owners |= dict.fromkeys((protocol.id, *protocol.aliases), kind)
    for entry in entries:
        place = entry.document.key_place(entry.path)
        for name, where in _names(entry):
            if name in _RESERVED:
                message = f"'{name}' is a word of the policy language, not a protocol"
                yield Finding(Code.P117, message, place=where)
            elif name in owners:
                message = f"the protocol '{name}' is {owners[name]}"
                yield Finding(Code.P117, message, place=where, hint=_clash_hint(owners[name]))
            else:
                owners[name] = f"already defined at {place}"


def _names(entry: _Entry) -> Iterator[tuple[str, Place]]:
    yield entry.id, entry.document.key_place(entry.path)
    aliases = entry.data.get("aliases", ()) if entry.valid else ()
    for index, alias in enumerate(aliases):
        yield alias, entry.document.place((*entry.path, "aliases", index))


def _clash_hint(owner: str) -> str:
    if owner == "built in":
        return "choose another id; other ports are set with `ports:` in the policy"
    return "choose another id"


def _unknown_relatives(catalogue: Catalogue, entry: _Entry, known: set[str]) -> Iterator[Finding]:
    parent = entry.data.get("part_of", "")
    if parent and parent not in known:
        yield entry.about("part_of", f"unknown protocol '{parent}'", _meant(catalogue, parent))
    if not parent and "follows_when" in entry.data:
        yield entry.about("follows_when", "'follows_when' means nothing without 'part_of'")
    for name, flow in entry.data["flows"].items():
        for index, served in enumerate(flow.get("serves", ())):
            if served not in known:
                path = (*entry.path, "flows", name, "serves", index)
                yield Finding(
                    Code.P117,
                    f"unknown protocol '{served}'",
                    place=entry.document.place(path),
                    hint=_meant(catalogue, served),
                )


def _meant(catalogue: Catalogue, name: str) -> str:
    close = catalogue.get(catalogue.suggest(name) or "")
    return f"did you mean '{close.id}'?" if close else ""


def _cycles(entries: Sequence[_Entry]) -> Iterator[Finding]:
    parents = {entry.id: entry.data.get("part_of", "") for entry in entries}
    told: set[str] = set()
    for entry in entries:
        ring = [entry.id]
        while parents.get(ring[-1], "") not in ("", *ring):
            ring.append(parents[ring[-1]])
        if parents.get(ring[-1]) == entry.id and entry.id not in told:
            told.update(ring)
            shown = " -> ".join([*ring, entry.id])
            yield entry.about("part_of", f"a protocol cannot be part of itself ({shown})")
