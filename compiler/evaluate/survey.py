"""What foreign rules do, as a survey: zones, the kernel under them, and the helpers they assign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from compiler.evaluate.experience import Conditions, Experience
from compiler.evaluate.loadable import Texts, loadable
from compiler.evaluate.statements import AssignHelper
from compiler.evaluate.walk import Ruleset
from compiler.evaluate.zones import conclude
from compiler.model.device import Device, Fact
from compiler.model.effect import HelperState
from compiler.model.finding import Code, Finding, Severity
from compiler.model.modules import kernel_version
from compiler.model.survey import HelperFound, Survey

#: GRE is tracked by its call IDs, without a module of its own, since Linux 5.1.
_KEYED = (5, 1)
#: The sysctl nf_conntrack_helper, by which kernels assigned helpers by themselves, went in 6.0.
_NEVER_ALONE = (6, 0)
_PPTP = "nf_conntrack_pptp"
_UNSTATED = (
    "no rule assigns the pptp helper, and whether the kernel does so by itself is not known: "
    "Linux before 6.0 can (net.netfilter.nf_conntrack_helper)"
)


def survey_of(
    ruleset: Ruleset,
    device: Device,
    said: Sequence[Finding],
    conditions: Conditions | None = None,
    texts: Texts | None = None,
) -> Survey:
    """Survey rules; ``said`` is what there is to say about the text that they were read from.

    ``conditions`` are those of the device's kernel where they are not given. ``texts`` are the
    rules for a kernel, where one could hold them.
    """
    concluded = conclude(ruleset, device.zones, device.name)
    facts: Mapping[str, Fact] = dict(device.facts)
    if device.ipv6 is None:
        facts = {**facts, "ipv6": "ip6" in ruleset.families}
    found = replace(device, zones=concluded.zones, facts=MappingProxyType(dict(facts)))
    chosen = conditions or conditions_of(facts)
    helpers = tuple(_helpers(ruleset))
    findings = [*said, *concluded.findings]
    if conditions is None and not helpers and chosen.unassigned is HelperState.UNKNOWN:
        hint = "say which kernel it runs: --fact kernel=6.1"
        findings.append(Finding(Code.A804, _UNSTATED, Severity.INFO, hint=hint, host=device.name))
    rules = loadable(ruleset, texts, found, chosen) if texts else None
    answers = Experience(ruleset, found, chosen).effects
    return Survey(found, answers, tuple(findings), helpers, rules, ruleset.networks)


def conditions_of(facts: Mapping[str, Fact]) -> Conditions:
    """Say what the stated kernel does by itself."""
    version = kernel_version(facts.get("kernel"))
    modules = facts.get("modules")
    keyed = True if version is not None and version >= _KEYED else None
    if isinstance(modules, list) and _PPTP not in modules:
        because = f"the router has no {_PPTP}"
        return Conditions(HelperState.ABSENT, because, keyed)
    if version is not None and version >= _NEVER_ALONE:
        because = "no rule assigns the helper, and kernels since 6.0 never do so by themselves"
        return Conditions(HelperState.IDLE, because, keyed)
    return Conditions(HelperState.UNKNOWN, _UNSTATED, keyed)


def _helpers(ruleset: Ruleset) -> Iterator[HelperFound]:
    seen: set[str] = set()
    for chain in ruleset.chains.values():
        for rule in chain.rules:
            for statement in rule.statements:
                if isinstance(statement, AssignHelper) and statement.helper not in seen:
                    seen.add(statement.helper)
                    where = f"{chain.table_name} {chain.name} {rule.place}: {rule.text}"
                    yield HelperFound(statement.helper, HelperState.ASSIGNED, where)
