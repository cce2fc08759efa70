"""Hold what a target says of its settings to the rules that a model of its firmware writes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from compiler.evaluate import Ruleset, load_iptables, load_nft
from compiler.evaluate.experience import Conditions, Experience
from compiler.model.datapath import DataPath
from compiler.model.device import Device
from compiler.model.effect import HelperState, Verdict
from compiler.model.intent import Decision, Exposure, Intent
from compiler.model.judge import probes
from compiler.model.protocol import AH, Flow
from tests.model.flows import flow


def disagreements(target: Any, device: Device, wanted: Intent) -> Iterator[str]:
    """Give where effects differ from what the evaluator finds in the model's rules.

    Left out is what either does not know, and what a missing NAT helper would lose.
    """
    ours = target.settings(wanted, device)
    path: DataPath = target.data_path(ours, device)
    state = HelperState.ASSIGNED if "pptp" in path.helpers else HelperState.ABSENT
    state = HelperState.UNKNOWN if "pptp" in path.unsure_helpers else state
    asked = probes(wanted, device)
    model = Experience(_rules(path), device, Conditions(state, "the kernel", keyed=True))
    pairs = zip(target.effects(ours, device, asked), model.effects(asked), strict=True)
    for told, found in pairs:
        unsure = told.probe.flow.carried and told.helper is not HelperState.ASSIGNED
        if unsure or Verdict.UNKNOWN in (told.verdict, found.verdict):
            continue
        if (told.verdict.blocks, told.helper) != (found.verdict.blocks, found.helper):
            yield f"{told.probe}: effects {told.because}, model {found.because}\n{path}"


def catalogued(wanted: Intent) -> Intent:
    """Have flows as the catalogue has them: with their NAT helper, and IPsec with AH."""

    def flows(part: Decision | Exposure) -> tuple[Flow, ...]:
        more = [flow("ipsec.ah", AH)] if part.protocol == "ipsec" else []
        return tuple(replace(one, helper=part.helper) for one in (*part.flows, *more))

    decisions = tuple(replace(one, flows=flows(one)) for one in wanted.decisions)
    exposures = tuple(replace(one, flows=flows(one)) for one in wanted.exposures)
    return replace(wanted, decisions=decisions, exposures=exposures)


def _rules(path: DataPath) -> Ruleset:
    """Read the rules of a data path; nft itself lists what it is given."""
    if not path.nft:
        return load_iptables(path.iptables, path.ip6tables)
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed")
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", "nft -f - && nft -j list ruleset"],
        input=path.nft, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "Operation not permitted" in done.stderr:
        pytest.skip("no network namespaces here")
    assert done.returncode == 0, done.stderr
    return load_nft(done.stdout)
