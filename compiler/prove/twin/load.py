"""A router's rules into a lab: its interfaces, then its rules, in the lab's namespace alone."""

from __future__ import annotations

import json
import re
from collections.abc import Container
from typing import Any

from compiler.errors import ProofError
from compiler.model.finding import Code
from compiler.model.survey import Loadable
from compiler.prove.lab import Lab, Namespace
from compiler.prove.packets.plan import is_interface
from compiler.prove.twin import safe

#: More interfaces than these that rules name besides those of the zones are not made.
_MOST = 64
_SAID = re.compile(r"fails: (.*)", re.DOTALL)


def absent_helpers(rules: Loadable) -> frozenset[str]:
    """Give the NAT helpers that rules assign and this kernel does not have."""
    asked = dict(safe.helpers(rules.nft))
    if not asked:
        return frozenset()
    with Namespace("trial") as trial:
        return frozenset(name for name, helper in asked.items() if not _has(trial, helper))


def _has(trial: Namespace, helper: dict[str, Any]) -> bool:
    table = {"family": helper["family"], "name": helper.get("table")}
    text = json.dumps({"nftables": [{"table": table}, {"ct helper": helper}]})
    try:
        trial.run("nft", "-j", "-f", "-", text=text)
    except ProofError:
        return False
    return True


def load(lab: Lab, rules: Loadable, absent: Container[str]) -> None:
    """Load a router's rules, but for the helpers that this kernel does not have.

    Raises:
        ProofError: E803, the rules are not loaded, with what the tool says.
    """
    _dummies(lab, rules.links)
    if rules.nft:
        _run(lab, "nft", "-j", "-f", "-", text=safe.listing(rules.nft, absent))
    for tool, text in (("iptables", rules.iptables), ("ip6tables", rules.ip6tables)):
        if not text:
            continue
        why = safe.refusal(text)
        if why:
            raise ProofError.of(
                Code.E803, f"no twin of this router: {tool}-restore is not given this text: {why}"
            )
        _run(lab, f"{tool}-restore", text=text)


def _dummies(lab: Lab, links: frozenset[str]) -> None:
    """Make the interfaces that rules name: without them ``iif`` does not load."""
    layout = lab.layout
    taken = {lan.interface for lan in layout.lans} | {wan.interface for wan in layout.wans}
    names = sorted(name for name in links - taken if is_interface(name))[:_MOST]
    lab.router.ip(*(f"link add dev {name} type bridge" for name in names))


def _run(lab: Lab, *command: str, text: str) -> None:
    try:
        lab.router.run(*command, text=text)
    except ProofError as error:
        said = _SAID.search(error.findings[0].message)
        why = " ".join((said[1] if said else "it does not end").split())[:300]
        message = f"no twin of this router: {command[0]} does not load the rules: {why}"
        raise ProofError.of(Code.E803, message) from None
