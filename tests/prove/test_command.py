"""``passthru prove`` as people and programs meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

import schemas
from compiler.cli import prove as command
from compiler.cli.main import main
from compiler.errors import ProofError
from compiler.model.finding import Code
from compiler.model.intent import Action
from compiler.model.protocol import Family
from compiler.prove import packets
from compiler.prove.lab import missing
from compiler.prove.lab.namespaces import PACKAGES
from compiler.prove.result import Check, Experience, Kind, Loss, Proof, RouterProof

REASON = missing(tuple(PACKAGES))
HERE = pytest.mark.skipif(bool(REASON), reason=REASON or "-")
ROOT = Path(__file__).parents[2]
HOSTS = """\
all:
  hosts:
    gate:
      passthru_target: linux
      passthru_zones:
        lan: {device: br-lan, networks: [192.168.1.0/24]}
        wan: {device: eth0}
    twin:
      passthru_target: linux
      passthru_zones:
        lan: {device: br-lan, networks: [192.168.1.0/24]}
        wan: {device: eth0}
    box:
      passthru_target: netgear
      passthru_zones: {lan: {}, wan: {}}
"""
POLICY = """\
- name: a play
  hosts: all
  passthrough: {wireguard: pass, openvpn: block}
  on_deviation: warn
"""
OTHER = Check(
    Kind.EXCHANGE, "pptp", "pptp.data", Family.IPV4, "c1", "lan", "br-lan > eth0", "192.168.1.11",
    "192.0.2.10", Action.PASS, Experience.PARTLY, "pass",
    Loss("PPP in GRE", "back", "the NAT helper 'pptp' is not at work", "inet t f: policy drop"),
)  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "policy.yml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return ["prove", "-i", "hosts.yml", "-p", "policy.yml"]


def pretend(monkeypatch: pytest.MonkeyPatch, *routers: RouterProof) -> None:
    monkeypatch.setattr(command, "_prove", lambda *_: Proof(routers))


def run(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(list(arguments))
    said = capsys.readouterr()
    return status, said.out, said.err


@HERE
@pytest.mark.kernel
def test_a_site_is_proven(site: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(site, capsys)
    rows = [line.split("\t") for line in out.splitlines()]
    assert ["gate +1", "openvpn", "ipv4"] in [row[:3] for row in rows]
    assert {row[-1] for row in rows if row[0] == "gate +1"} == {"passed", "blocked"}
    assert ["box", "-", "-", "-", "-", "not provable"] in rows
    assert "E803" in err
    assert "1 not provable, 2 proven" in err
    assert status == 0


@HERE
@pytest.mark.kernel
def test_json_follows_its_schema(site: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run([*site, "--output", "json"], capsys)
    data = json.loads(out)
    assert status == 0
    assert list(Draft7Validator(schemas.schema("proof")).iter_errors(data)) == []
    assert [router["verdict"] for router in data["routers"]] == ["proven", "not provable"]
    assert data["routers"][0]["hosts"] == ["gate", "twin"]


def test_a_difference_is_exit_2_and_told_with_its_reason(
    site: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, RouterProof(("gate",), "linux", "packets", checks=(OTHER, OTHER)))
    status, out, err = run(site, capsys)
    assert status == 2
    assert out.split("\t")[-1] == "DIFFERS\n"
    assert err.count("error[E801]: pptp.data is passed in part although the policy passes it") == 1
    assert "and 1 more" in err
    assert "PPP in GRE (back): the NAT helper 'pptp' is not at work" in err
    assert "inet t f: policy drop" in err


def test_nothing_proven_at_all_is_no_success(
    site: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if REASON:
        pytest.skip(REASON)
    status, _, err = run([*site, "-l", "box"], capsys)
    assert status == 3
    assert "not provable: there is no model" in err or "not provable:" in err


def test_without_a_lab_it_says_what_is_missing(
    site: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.prove.lab.missing", lambda _: "nft is not installed")
    status, out, err = run(site, capsys)
    assert (status, out) == (3, "")
    assert "E802" in err
    assert "nft is not installed" in err


@HERE
@pytest.mark.kernel
def test_one_router_that_fails_does_not_hide_the_others(
    site: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> RouterProof:
        raise ProofError.of(Code.E802, "the lab broke")

    real = packets.prove
    monkeypatch.setattr(
        packets,
        "prove",
        lambda target, *more: (fail if target.name == "netgear" else real)(target, *more),
    )
    status, out, err = run(site, capsys)
    assert status == 3
    assert "the lab broke" in err
    assert "gate +1\topenvpn" in out


def test_a_policy_that_does_not_compile_is_exit_3(
    site: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("policy.yml").write_text(POLICY.replace("openvpn", "openvpm"))
    status, _, err = run(site, capsys)
    assert status == 3
    assert Code.P104.name in err


@HERE
@pytest.mark.kernel
def test_ctrl_c_leaves_nothing(site: list[str], tmp_path: Path) -> None:
    """1. start it on a policy that takes a while, 2. interrupt it in the lab, 3. look."""
    Path("policy.yml").write_text(POLICY.replace("pass,", "pass, default: block,"))
    process = subprocess.Popen(
        [sys.executable, "-m", "compiler", *site],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while process.poll() is None and not held(process.pid):
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, out + err
    assert err.strip().endswith("interrupted")
    assert "Traceback" not in err


def held(process: int) -> bool:
    """Tell whether a process holds namespaces: then it is in its lab."""
    try:
        links = [path.readlink().name for path in Path(f"/proc/{process}/fd").iterdir()]
    except OSError:
        return False
    return sum(link.startswith("net:[") for link in links) > 3
