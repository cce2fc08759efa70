"""``audit --twin``: packets decide what is unknown, and contradict what was read wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from compiler.audit import twin
from compiler.audit.twin import decided
from compiler.model.effect import Verdict
from compiler.model.finding import Code, Severity
from compiler.prove.lab import missing
from compiler.prove.lab.namespaces import PACKAGES
from targets.linux import TARGET
from tests.cli.support import Site, make_site
from tests.prove.twin.test_twin import IKE, TCP, device, effects_of, saved

_WHY = missing(tuple(PACKAGES))
needs_lab = pytest.mark.skipif(bool(_WHY), reason=_WHY)
_HOSTS = """\
all:
  hosts:
    gw:
      passthru_target: linux
      passthru_facts: {kernel: "6.1"}
      passthru_zones:
        lan: {devices: [br-lan], networks: [192.168.1.0/24]}
        wan: {devices: [eth0]}
    box: {passthru_target: freshtomato}
"""
_POLICY = """\
- hosts: all
  on_deviation: warn
  passthrough: {ikev2: pass, sstp: {action: block, collateral: accept}}
"""


_ODD = saved(
    f'-A FORWARD -m bpf --bytecode "{IKE}" -j DROP',
    f'-A FORWARD -m bpf --bytecode "{TCP}" -j ACCEPT',
    "-A FORWARD -p udp -m udp --dport 4500 -j ACCEPT",
)


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    for made in make_site(tmp_path, capsys):
        made.write({"hosts.yml": _HOSTS, "policy.yml": _POLICY, "saved/gw": _ODD})
        made.write({"saved/box": "nf_pptp=0\nipsec_pass=3\n"})
        yield made


def audited(site: Site, *more: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    done = site.run("audit", "--from", "saved", "--no-journal", "--output", "json", *more)
    return done.code, {each["host"]: each["findings"] for each in done.json["routers"]}


@pytest.mark.kernel
@needs_lab
def test_unknown_becomes_a_verdict_with_the_rule_that_made_it(site: Site) -> None:
    before, read = audited(site)
    assert before == 0
    assert {each["code"] for each in read["gw"]} >= {"A860"}
    after, found = audited(site, "--twin")
    assert after == 2
    told = {(each["code"], each.get("protocol")): each for each in found["gw"]}
    assert ("A860", "ikev2") not in told
    assert ("A860", "sstp") not in told
    blocked = " ".join(told["A853", "ikev2"]["evidence"])
    assert "bpf" in blocked
    assert "decided by packets in a twin" in blocked
    assert ("A852", "sstp") in told


@pytest.mark.kernel
@needs_lab
def test_a_family_without_rules_says_so(site: Site) -> None:
    _, found = audited(site, "--twin")
    assert [each["severity"] for each in found["box"] if each["code"] == "A867"] == ["info"]


@pytest.mark.kernel
@needs_lab
def test_rules_that_do_not_load_are_a_finding(site: Site) -> None:
    site.write({"saved/gw": saved("-A FORWARD -m nosuchmatch --odd -j DROP")})
    code, found = audited(site, "--twin")
    (told,) = (each for each in found["gw"] if each["code"] == "A867")
    assert code == 2  # read as ever: the policy of the chain drops
    assert told["severity"] == "warning"
    assert "nosuchmatch" in told["message"]


@pytest.mark.kernel
@needs_lab
def test_a_contradiction_is_a_finding_of_its_own() -> None:
    survey = TARGET.survey(saved("-A FORWARD -p udp -m udp --dport 4500 -j ACCEPT"), device())
    right = effects_of(survey, "ikev2")
    assert decided(survey, right) == (right, [])
    turned = {Verdict.PASS: Verdict.DROP, Verdict.DROP: Verdict.PASS}
    wrong = tuple(
        replace(effect, verdict=turned[effect.verdict])
        if "natt" in effect.probe.flow.id
        else effect
        for effect in right
    )
    kept, findings = decided(survey, wrong)
    assert kept == wrong
    (found,) = findings
    assert (found.code, found.severity) == (Code.A866, Severity.ERROR)
    assert found.flows == ("ikev2.natt",)
    assert "read as drop, and in a twin it is: pass" in found.message
    assert any("--dport 4500" in each or "udp dport 4500" in each for each in found.evidence)


def test_without_rights_nothing_begins(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "missing", lambda _: "no network namespaces here")
    done = site.run("audit", "--from", "saved", "--no-journal", "--twin")
    assert done.code == 3
    assert "there can be no twin here: no network namespaces here" in done.err
    assert "root" in done.err
    assert done.out == ""
