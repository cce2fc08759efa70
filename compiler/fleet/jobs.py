"""Jobs from a compiled site, and who of them an earlier run has done already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compiler.build.plan import Compiled
from compiler.build.site import Site
from compiler.device import transports
from compiler.device.job import Job
from compiler.device.reach import VARIABLES
from compiler.errors import InventoryError, PassthruError, SecretError
from compiler.fleet.history import DONE, History
from compiler.fleet.journal import Entry, bundle_digest
from compiler.inventory import Inventory
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.model.target import Procedure
from compiler.source.secrets import Origin, Secret
from compiler.source.template import Templar

_VIA = "passthru_via"
_SECRET = re.compile(r"_pass(?:word|phrase)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class SiteJobs:
    """The routers of a compiled site."""

    policy_sha256: str
    compiled: Mapping[str, Compiled]
    reach: Mapping[str, Mapping[str, Any]]

    @property
    def entries(self) -> Sequence[Entry]:
        """All routers in the order of the inventory."""
        return [entry_of(host, item) for host, item in self.compiled.items()]

    def job(self, host: str) -> Job:
        """Make one router's job."""
        item = self.compiled[host]
        device, intent = item.router.device, item.intent
        return Job(host, device, intent, item.bundle, self.policy_sha256, self.reach[host])


def entry_of(host: str, item: Compiled) -> Entry:
    """Give what a journal and a plan know a compiled router by."""
    target = item.router.device.target
    return Entry(host, target, bundle_digest(target, item.bundle))


def site_jobs(site: Site, compiled: Mapping[str, Compiled]) -> tuple[SiteJobs, list[Finding]]:
    """Give the jobs of a site, and warnings about routers that no push can go to.

    Raises:
        InventoryError: connection variables of some hosts cannot be used; all findings.
    """
    left_out = list(_without_a_way(site, compiled))
    names = {finding.host for finding in left_out}
    pushed = {host: item for host, item in compiled.items() if host not in names}
    reach = reaches(site.inventory, pushed)
    return SiteJobs(site.policy_hash, pushed, reach), left_out


def _without_a_way(site: Site, compiled: Mapping[str, Compiled]) -> Iterator[Finding]:
    procedures: dict[int, Procedure] = {}
    for host, item in compiled.items():
        key = id(item.outcome)  # shared by routers that differ in nothing but their name
        device = item.router.device
        if key not in procedures:
            target = site.registry.get(device.target)
            procedures[key] = target.procedure(item.outcome.settings, device)
        try:
            transports.possible(procedures[key], device.target, host)
        except PassthruError as error:
            for finding in error.findings:
                yield replace(finding, severity=Severity.WARNING, host=host)


def reaches(inventory: Inventory, hosts: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Give the connection variables of hosts.

    Raises:
        InventoryError: all findings of all hosts.
    """
    found: dict[str, Mapping[str, Any]] = {}
    problems: list[Finding] = []
    for host in hosts:
        try:
            found[host] = reach_of(inventory, host)
        except PassthruError as error:
            problems += error.findings
    if problems:
        raise InventoryError(problems)
    return found


def reach_of(inventory: Inventory, name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Give a host's connection variables, rendered, secrets unopened.

    A password that stands in the inventory in plain text is wrapped as a secret too, so
    that nothing shows it and no pickle carries it away. ``passthru_via`` becomes the
    variables of the host that it names, if the inventory has it.

    Raises:
        InventoryError: I206, hosts that are reached through one another.
        TemplateError: a variable cannot be rendered.
    """
    host = inventory.host(name)
    if name in seen:
        chain = " -> ".join((*seen, name))
        raise InventoryError.of(Code.I206, f"passthru_via leads in a circle: {chain}", host=name)
    templar = Templar(host.namespace)
    reach: dict[str, Any] = {}
    for variable in sorted(VARIABLES & host.variables.keys()):
        place = host.place(variable)
        value = templar.render(host.variables[variable], place)
        reach[variable] = _closed(value, name, variable, place)
    via = reach.get(_VIA)
    if isinstance(via, str) and via in inventory.hosts:
        reach[_VIA] = {"name": via, **reach_of(inventory, via, (*seen, name))}
    return reach


def _closed(value: Any, host: str, variable: str, place: Place | None) -> Any:
    if isinstance(value, str) and "<secret " in value:
        raise SecretError.of(
            Code.V305,
            f"{variable} takes a secret as a part of a text",
            place,
            "a secret must be the whole value",
            host,
        )
    if not _SECRET.search(variable) or not isinstance(value, str | int | float):
        return value
    where = place or Place("")
    return Secret(Origin.ENCRYPTED_FILE, f"{where}:{host}:{variable}", where, str(value))


def done_before(history: History, policy_sha256: str, entries: Iterable[Entry]) -> dict[str, str]:
    """Give the routers that the journal has as done for this very bundle, with their state's hash.

    What counts is the newest run that worked on a router, whatever kind it was.
    """
    done = {}
    for entry in entries:
        record = history.newest(entry.host)
        if (
            record
            and record.state in DONE
            and record.policy_sha256 == policy_sha256
            and record.bundle_sha256 == entry.bundle_sha256
        ):
            done[entry.host] = record.after_sha256 or record.before_sha256
    return done
