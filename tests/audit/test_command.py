"""`passthru audit` and `passthru diff` over saved answers, as people and CI use them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.fleet.store import Store
from tests.cli.support import Result, Site, make_site

HOSTS = """\
all:
  vars: {passthru_zones: {lan: {networks: [192.168.1.0/24]}, wan: {}}}
  hosts:
    r1: {passthru_target: asuswrt}
    r2: {passthru_target: asuswrt}
    r2.lan: {passthru_target: asuswrt}
    switch: {}
"""
POLICY = "- hosts: r*\n  on_deviation: warn\n  passthrough:\n    pptp: block\n    ipsec: pass\n"
CONFIG = 'inventory = "hosts.yml"\npolicy = ["policy.yml"]\njournal = "state"\n'
GOOD = "fw_pt_pptp=0\nfw_pt_l2tp=1\nfw_pt_ipsec=1\nnf_pptp=0\nhttp_passwd=hunter2\n"
OPEN = GOOD.replace("fw_pt_pptp=0", "fw_pt_pptp=1")
FORMS = ("text", "json", "sarif", "junit", "prometheus", "html")


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    for made in make_site(tmp_path, capsys):
        made.write({"hosts.yml": HOSTS, "policy.yml": POLICY, "passthru.toml": CONFIG})
        answers(made, r1=GOOD, r2=GOOD, **{"r2.lan": GOOD})
        yield made


def answers(site: Site, **texts: str) -> None:
    site.write({f"saved/{host}.txt": text for host, text in texts.items()})


def audit(site: Site, *more: str) -> Result:
    result = site.run("audit", "--from", "saved", *more)
    assert "hunter2" not in result.out + result.err
    return result


def data(site: Site, *more: str) -> Any:
    printed = audit(site, "--output", "json", *more).json
    assert list(Draft7Validator(schemas.schema("audit")).iter_errors(printed)) == []
    return printed


def findings(printed: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for router in printed["routers"]:
        for each in router["findings"]:
            if each["code"] >= "A85" and each["severity"] != "info":
                found.setdefault(each["code"], []).append(router["host"])
    return found


def test_routers_that_are_as_wanted_are_clean(site: Site) -> None:
    result = audit(site)
    assert result.code == 0
    assert "r1, r2, r2.lan (asuswrt)" in result.out
    assert "3 routers (3 judged)" in result.out
    assert all(len(line) <= 80 for line in result.out.splitlines())


def test_an_open_protocol_is_told_with_line_key_and_command(site: Site) -> None:
    answers(site, r2=OPEN)
    result = audit(site)
    assert result.code == 2
    for words in (
        *("error[A852]", "policy.yml:4:5", "because:  fw_pt_pptp=1", "fw_pt_pptp=1 (wanted: 0)"),
        "to mend:  passthru push -l r2",
    ):
        assert words in result.out
    assert audit(site, "--fail-on", "info").code == 2
    assert findings(data(site)) == {"A852": ["r2"]}


def test_routers_that_are_alike_are_told_of_once_with_one_command(site: Site) -> None:
    answers(site, r1=OPEN, r2=OPEN)
    shown = audit(site).out
    assert shown.count("error[A852]") == 1
    assert "to mend:  passthru push -l r1,r2\n" in shown
    printed = data(site)
    assert [row["findings"][0]["mend"] for row in printed["routers"][:2]] == [
        "passthru push -l r1",
        "passthru push -l r2",
    ]


def test_a_deviation_that_the_policy_does_not_accept_is_an_error(site: Site) -> None:
    """The compile refuses such a router, and an audit says what it does, not that it compiles."""
    strict = POLICY.replace("  on_deviation: warn\n", "").replace("pptp: block", "sstp: block")
    site.write({"policy.yml": strict.replace("sstp: block", "l2tpv3: block")})
    assert set(findings(data(site))) == {"A852"}
    site.write({"policy.yml": POLICY.replace("pptp: block", "l2tpv3: block")})
    assert findings(data(site)) == {}


def test_fail_on_says_what_is_bad_enough(site: Site) -> None:
    assert audit(site, "--fail-on", "error").code == 0
    assert audit(site, "--fail-on", "info").code == 2, "the deviation that asuswrt cannot avoid"


def test_a_missing_answer_is_a_finding_and_not_silence(site: Site) -> None:
    (site.folder / "saved/r1.txt").unlink()
    printed = data(site)
    assert findings(printed) == {"A861": ["r1"]}
    assert audit(site).code == 5


@pytest.mark.parametrize(
    "text",
    [b"", b"\x00\x01", b"<html><body>log in</body></html>", b"fw_pt_pptp", b"\xff\xfeab\xd8"],
)
def test_an_answer_that_is_none_is_a_finding_of_that_router(site: Site, text: bytes) -> None:
    site.write({"saved/r1.txt": text})
    printed = data(site)
    assert findings(printed) == {"A862": ["r1"]}
    assert audit(site).code == 4


def test_names_with_dots_are_not_mistaken_for_endings(site: Site) -> None:
    (site.folder / "saved/r2.txt").unlink()
    (site.folder / "saved/r2.lan.txt").rename(site.folder / "saved/r2.lan")
    assert findings(data(site)) == {"A861": ["r2"]}


def test_several_answers_of_one_router_are_refused_and_folders_may_hold_facts(site: Site) -> None:
    site.write({"saved/r1.bak": GOOD})
    (site.folder / "saved/r2.txt").unlink()
    site.write({"saved/r2/read.txt": GOOD, "saved/r2/facts": "stale=nvram\nnonsense\n"})
    assert findings(data(site)) == {"A862": ["r1"], "A859": ["r2"]}


def test_what_is_no_file_is_not_read(site: Site) -> None:
    (site.folder / "saved/r1.txt").unlink()
    os.mkfifo(site.folder / "saved/r1.txt")
    assert findings(data(site)) == {"A862": ["r1"]}


def test_a_policy_that_one_router_cannot_have_does_not_keep_the_others(site: Site) -> None:
    zones = "{lan: {networks: [nonsense]}, wan: {}}"
    site.write(
        {"hosts.yml": HOSTS + f"    r9: {{passthru_target: asuswrt, passthru_zones: {zones}}}\n"}
    )
    answers(site, r2=OPEN)
    assert findings(data(site)) == {"A863": ["r9"], "A852": ["r2"]}
    assert audit(site).code == 4


def test_a_policy_that_is_broken_as_a_whole_is_exit_3(site: Site) -> None:
    site.write({"policy.yml": "- hosts: r1\n  passthrough: {nonsense: block}\n"})
    assert audit(site).code == 3


def test_an_expired_grant_that_still_passes_is_an_error(site: Site) -> None:
    grant = "- hosts: r1\n  passthrough:\n    pptp: {action: pass, until: 2020-01-01}\n"
    site.write({"policy.yml": grant})
    answers(site, r1=OPEN.replace("nf_pptp=0", "nf_pptp=1"))
    assert findings(data(site, "-l", "r1"))["A858"] == ["r1"]


def test_since_tells_what_appeared_and_what_went(site: Site) -> None:
    first = data(site)["audit"]["run"]
    answers(site, r2=OPEN)
    second = data(site)
    assert second["before"]["run"] == first
    assert [(c["host"], [f["code"] for f in c["appeared"]]) for c in second["changes"]] == [
        ("r2", ["A852"])
    ]
    answers(site, r2=GOOD, r1=OPEN)
    third = data(site, "--since", second["audit"]["run"])
    gone = {c["host"]: [f["code"] for f in c["gone"]] for c in third["changes"]}
    assert gone["r2"] == ["A852"]
    shown = audit(site, "--since", first)
    assert f"Since {first}" in shown.out
    assert "+ r1: A852" in shown.out
    assert audit(site, "--since", "nonsense").code == 3


def test_a_router_that_is_away_has_not_mended_anything(site: Site) -> None:
    answers(site, r2=OPEN)
    data(site)
    (site.folder / "saved/r2.txt").unlink()
    assert data(site)["changes"] == []


def test_fingerprints_outlive_lines_and_audits(site: Site) -> None:
    answers(site, r2=OPEN)

    def prints() -> set[str]:
        log = json.loads(audit(site, "--output", "sarif").out)
        return {r["partialFingerprints"]["audit/v1"] for r in log["runs"][0]["results"]}

    before = prints()
    site.write({"policy.yml": "# moved\n\n" + POLICY})
    assert prints() == before


def test_routers_that_no_play_decides_are_judged_for_their_health(site: Site) -> None:
    site.write({"policy.yml": POLICY.replace("r*", "r1")})
    answers(site, r2=OPEN.replace("nf_pptp=0", "nf_pptp=1"))
    found = findings(data(site))
    assert "r2" in found["A871"]
    assert "r1" not in found["A871"]
    assert (
        data(site)["routers"][0]["protocols"].keys() < data(site)["routers"][1]["protocols"].keys()
    )


def test_health_is_asked_beside_the_policy_too(site: Site) -> None:
    assert "sstp" not in data(site)["routers"][0]["protocols"]
    healthy = data(site, "--health")["routers"][0]["protocols"]
    assert healthy["sstp"]["standing"] == "free"
    assert healthy["pptp"]["standing"] == "right"


@pytest.mark.parametrize("form", FORMS)
def test_no_report_holds_what_a_config_must_keep_secret(site: Site, form: str) -> None:
    answers(site, r2=OPEN)
    assert audit(site, "--output", form).code == 2
    assert audit(site, "--output", form, "-o", "report").code == 2
    assert (site.folder / "report").stat().st_size > 100
    assert not [name for name in site.names() if "draft" in name]
    assert b"hunter2" not in b"".join(
        p.read_bytes() for p in (site.folder / "state").iterdir() if p.is_file()
    )


def test_no_journal_keeps_nothing(site: Site) -> None:
    assert audit(site, "--no-journal").code == 0
    assert not (site.folder / "state").exists()
    assert audit(site, "--no-journal", "--since", "x").code == 64


def test_the_journal_keeps_one_text_for_all_routers_that_are_alike(site: Site) -> None:
    for _ in range(3):
        audit(site)
    store = Store(site.folder / "state")
    assert store.connection.execute("SELECT count(*) FROM audited").fetchone() == (9,)
    assert store.connection.execute("SELECT count(*) FROM contents").fetchone() == (1,)
    store.close()


def test_junit_has_a_case_for_each_router_and_protocol(site: Site) -> None:
    answers(site, r2=OPEN)
    (site.folder / "saved/r1.txt").unlink()
    root = ET.fromstring(audit(site, "--output", "junit").out)  # noqa: S314 - our own
    suites = {suite.get("name"): suite for suite in root}
    assert set(suites) == {"r1", "r2", "r2.lan"}
    assert suites["r1"].get("errors") == "1"
    cases = {case.get("name"): case for case in suites["r2"]}
    assert {"pptp", "ikev1", "ikev2"} <= set(cases)
    assert cases["pptp"].find("failure") is not None
    assert cases["ikev2"].find("failure") is None
    for suite in root:
        assert suite.get("tests") == str(len(suite))
        failures = sum(case.find("failure") is not None for case in suite)
        assert suite.get("failures") == str(failures)


def test_prometheus_text_is_well_formed(site: Site) -> None:
    answers(site, r2=OPEN)
    lines = audit(site, "--output", "prometheus").out.splitlines()
    assert 'passthru_audit_findings{code="A852",severity="error"} 1' in lines
    assert 'passthru_audit_router_errors{host="r2",target="asuswrt"} 1' in lines
    assert 'passthru_audit_protocols{protocol="pptp",standing="wrong"} 1' in lines
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed))
    for line in lines:
        name = line.split("{")[0].split()[0]
        assert line.startswith("#") or name in typed


def test_sarif_points_at_the_policy_line(site: Site) -> None:
    """Or at the router in the inventory: code scanning refuses a file with a result nowhere."""
    answers(site, r2=OPEN)
    (site.folder / "saved/r1.txt").unlink()
    log = json.loads(audit(site, "--output", "sarif").out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        found = result["locations"][0]["physicalLocation"]
        named = found["artifactLocation"]["uri"]
        assert named == ("hosts.yml" if result["ruleId"] in ("A804", "A861") else "policy.yml")
        assert found["region"]["startLine"] > 0
    (wrong,) = [result for result in run["results"] if result["ruleId"] == "A852"]
    assert wrong["level"] == "error"
    (location,) = wrong["locations"]
    physical = location["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "policy.yml", "uriBaseId": "SRCROOT"}
    assert physical["region"] == {"startLine": 4, "startColumn": 5}
    assert location["logicalLocations"][0]["name"] == "r2"
    assert len({r["partialFingerprints"]["audit/v1"] for r in run["results"]}) == len(
        run["results"]
    )


def test_diff_shows_equal_differences_once_and_nothing_that_is_not_managed(site: Site) -> None:
    answers(site, r1=OPEN, r2=OPEN + "other=1\n")
    result = site.run("diff", "--from", "saved")
    assert (result.code, result.out) == (
        0,
        "asuswrt: r1, r2\n  - fw_pt_pptp: 1\n  + fw_pt_pptp: 0\n",
    )
    assert site.run("diff", "--from", "saved", "--exit-code").code == 2
    printed = site.run("diff", "--from", "saved", "--output", "json").json
    assert list(Draft7Validator(schemas.schema("diff")).iter_errors(printed)) == []
    assert printed["same"] == 1


def test_diff_says_whom_it_could_not_compare(site: Site) -> None:
    (site.folder / "saved/r1.txt").unlink()
    result = site.run("diff", "--from", "saved")
    assert result.code == 5
    assert "r1: unreachable" in result.err
    site.write({"saved/r1.txt": "<html>"})
    assert site.run("diff", "--from", "saved", "--exit-code").code == 4
    assert site.run("diff", "--from", "nowhere").code == 3


def test_history_lists_audits_beside_runs(site: Site) -> None:
    answers(site, r2=OPEN)
    assert audit(site).code == 2
    (site.folder / "saved/r1.txt").unlink()
    assert audit(site).code == 5
    printed = site.run("history", "--output", "json").json
    assert list(Draft7Validator(schemas.schema("history")).iter_errors(printed)) == []
    newest, oldest = printed["runs"]
    assert (newest["kind"], newest["exit"], oldest["exit"]) == ("audit", 5, 2)
    assert oldest["counts"] == {"right": 2, "wrong": 1}
    assert newest["counts"] == {"right": 1, "unreachable": 1, "wrong": 1}
    assert oldest["begun"] <= oldest["ended"] <= newest["begun"]
    listed = site.run("history")
    assert "2 right, 1 wrong" in listed.out
    assert "audit" in listed.out
    one = site.run("history", "--run", oldest["run"], "--output", "json").json
    assert list(Draft7Validator(schemas.schema("history")).iter_errors(one)) == []
    assert {each["host"]: each["findings"] for each in one["runs"][0]["audited"]}["r2"] == ["A852"]
    shown = site.run("history", "--run", oldest["run"])
    assert "A852" in shown.out
    of_host = site.run("history", "r1", "--output", "json").json
    assert list(Draft7Validator(schemas.schema("history")).iter_errors(of_host)) == []
    assert [run["audited"][0]["state"] for run in of_host["runs"]] == ["unreachable", "judged"]
    rows = [line.split("\t")[:3] for line in site.run("history", "r2").out.splitlines()]
    assert rows == [[run["run"], "judged", "audit"] for run in (newest, oldest)]
    assert site.run("history", "r2", "-n", "1").out.count("\n") == 1
    assert site.run("history", "-n", "1", "--output", "json").code == 0
    assert site.run("history", "--run", "nosuch").code == 3
