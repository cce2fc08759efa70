"""A site: inventory, plays and catalogue, loaded together, with every problem in one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from os.path import isdir
from pathlib import Path
from typing import Any

from compiler.build.device import Devices
from compiler.build.registry import Registry
from compiler.catalogue import Catalogue, builtin, extend
from compiler.errors import PassthruError, PolicyError
from compiler.inventory import Inventory, check_host_name, load
from compiler.model.device import Device
from compiler.model.finding import Code, Finding, Severity
from compiler.model.intent import Intent
from compiler.policy.lint import idle_plays, lint
from compiler.policy.names import check_names
from compiler.policy.plays import Play, load_plays, protocol_documents
from compiler.policy.resolve import resolve
from compiler.source.yaml import Document


@dataclass(frozen=True, slots=True)
class Request:
    """What a user named on the command line or in ``passthru.toml``."""

    inventories: tuple[str, ...]
    policies: tuple[Path, ...]
    limit: str = ""
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    today: date = field(default_factory=date.today)
    allow_expired: bool = False


@dataclass(frozen=True, slots=True)
class Router:
    """One host that the policy speaks about: its device, its intent, and what lint says."""

    device: Device
    intent: Intent
    findings: tuple[Finding, ...]
    deciding: frozenset[int]


@dataclass(frozen=True, slots=True)
class Site:
    """Everything loaded; :meth:`routers` does the work host by host."""

    request: Request
    inventory: Inventory
    catalogue: Catalogue
    plays: tuple[Play, ...]
    matched: Mapping[str, tuple[int, ...]]
    policy_hash: str
    findings: tuple[Finding, ...]
    registry: Registry

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that some play matches, within the limit, in the order of the inventory."""
        return tuple(self.matched)

    def routers(self) -> Iterator[tuple[str, Router | None, tuple[Finding, ...]]]:
        """Give each host's router, or ``None`` and why there is none."""
        devices = Devices(self.registry)
        for name, numbers in self.matched.items():
            yield (name, *self._router(name, numbers, devices))

    def _router(
        self, name: str, numbers: Sequence[int], devices: Devices
    ) -> tuple[Router | None, tuple[Finding, ...]]:
        host = self.inventory.host(name)
        unsafe = check_host_name(name, host.defined_at)
        if unsafe:
            return None, (unsafe,)
        try:
            device, found = devices.device(host)
            if device is None or has_errors(found):
                return None, tuple(found)
            resolved = resolve(
                [(number, self.plays[number]) for number in numbers],
                device,
                self.catalogue,
                host.namespace,
                self.request.today,
                self.request.allow_expired,
                self.request.extra_vars,
            )
        except PassthruError as error:
            return None, error.findings
        found += resolved.findings
        if has_errors(found):
            return None, tuple(found)
        found += lint(resolved.intent, device, self.catalogue, self.request.today)
        return Router(device, resolved.intent, tuple(found), resolved.deciding), tuple(found)

    def idle(self, deciding: frozenset[int]) -> tuple[Finding, ...]:
        """Find plays that match no host, or decide nothing for any."""
        if self.request.limit:
            return ()
        matched = frozenset(number for numbers in self.matched.values() for number in numbers)
        return tuple(idle_plays(self.plays, matched, deciding))


def has_errors(findings: Sequence[Finding]) -> bool:
    """Tell whether one of the findings is an error."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def load_site(request: Request, registry: Registry) -> Site:
    """Load everything that a request names.

    Raises:
        PolicyError: with the findings of all files, policies and inventories together.
    """
    findings: list[Finding] = []
    catalogue, plays, documents = _policies(request, findings)
    inventory = _inventory(request, findings)
    if plays is not None and catalogue is not None:
        findings += check_names(plays, catalogue)
    matched: dict[str, tuple[int, ...]] = {}
    if inventory is not None and plays is not None:
        findings += map(_no_hosts_is_an_error, inventory.findings)
        matched = _match(inventory, plays, request.limit, findings)
    if inventory is None or plays is None or catalogue is None or has_errors(findings):
        raise PolicyError(findings)
    digest = _hash(plays, documents)
    return Site(request, inventory, catalogue, plays, matched, digest, tuple(findings), registry)


def _no_hosts_is_an_error(found: Finding) -> Finding:
    """Ansible warns about an empty inventory; here it would mean to write nothing, or prune all."""
    return replace(found, severity=Severity.ERROR) if found.code is Code.I205 else found


def _policies(
    request: Request, findings: list[Finding]
) -> tuple[Catalogue | None, tuple[Play, ...] | None, tuple[Document, ...]]:
    catalogue: Catalogue | None = builtin()
    plays: tuple[Play, ...] | None = None
    documents: tuple[Document, ...] = ()
    try:
        documents = protocol_documents(request.policies)
        catalogue = extend(builtin(), documents)
    except PassthruError as error:
        findings += error.findings
        catalogue = None
    try:
        plays = load_plays(request.policies)
    except PassthruError as error:
        findings += error.findings
    return catalogue, plays, documents


def _inventory(request: Request, findings: list[Finding]) -> Inventory | None:
    folders = dict.fromkeys(
        p if isdir(p) else p.parent  # noqa: PTH112 - no error for a name that is too long
        for p in request.policies
    )
    try:
        return load(
            list(request.inventories), playbook_dirs=list(folders), extra_vars=request.extra_vars
        )
    except PassthruError as error:
        findings += error.findings
        return None


def _match(
    inventory: Inventory, plays: Sequence[Play], limit: str, findings: list[Finding]
) -> dict[str, tuple[int, ...]]:
    try:
        allowed = frozenset(inventory.match("all", limit=limit)) if limit else None
    except PassthruError as error:
        findings += [replace(f, message=f"in the limit: {f.message}") for f in error.findings]
        return {}
    by_host: dict[str, list[int]] = {}
    for number, play in enumerate(plays):
        try:
            names = inventory.match(play.hosts, place=play.place("hosts"))
        except PassthruError as error:
            findings += error.findings
            continue
        for name in names:
            if allowed is None or name in allowed:
                by_host.setdefault(name, []).append(number)
    if limit and not by_host and not has_errors(findings):
        message = f"no play matches a host within --limit {limit!r}"
        findings.append(Finding(Code.I203, message, Severity.ERROR))
    order = {name: index for index, name in enumerate(inventory.hosts)}
    ordered = sorted(by_host, key=lambda name: order.get(name, len(order)))
    return {name: tuple(by_host[name]) for name in ordered}


def _hash(plays: Sequence[Play], documents: Sequence[Document]) -> str:
    """Hash what the policies say: data, not spelling, and no paths."""
    said = [
        [{"content": play.content} for play in plays],
        [document.data for document in documents],
    ]
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
