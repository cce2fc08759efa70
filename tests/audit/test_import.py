"""`passthru import`: a config as a policy that does the same, or a refusal that says why not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from compiler.audit import exposures
from compiler.audit.exposures import servers
from compiler.audit.importing import Imported, Importer
from compiler.build.plan import RouterCompiler
from compiler.build.registry import installed
from compiler.build.site import Request, load_site
from compiler.catalogue import builtin
from compiler.errors import PolicyError
from compiler.model.device import Device, Role, Zone
from compiler.model.effect import Effect, Verdict
from compiler.model.finding import Severity
from compiler.model.intent import OnDeviation
from compiler.model.judge import plain_probes
from compiler.policy.flows import own_flows
from tests.audit.support import compiled_of, native_of
from tests.audit.test_properties import ZONES, base_of
from tests.cli.support import Site, make_site
from tests.conformance.passthru_conformance.cases import BUILT_IN, Case
from tests.conformance.passthru_conformance.situations import situation
from tests.conformance.passthru_conformance.strategies import situations
from tests.targets.openwrt.defaults import CONFIGS

CASES = [
    case
    for cases in BUILT_IN.values()
    for case in cases
    if case.name
    in ("linux", "openwrt-24.10", "merlin", "tplink-luci", "tplink-omada", "linksys",
        "linksys-classic", "dlink-rgdb", "freshtomato")
]  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Site]:
    yield from make_site(tmp_path, capsys)


def verdicts(effects: tuple[Effect, ...]) -> list[tuple[str, str]]:
    """Give what packets experience; drop and reject are alike, and so is a helper then."""
    return [("block", "") if e.verdict.blocks else (str(e.verdict), str(e.helper)) for e in effects]


@pytest.mark.parametrize("case", CASES, ids=str)
@given(st.data())
@settings(max_examples=4)
def test_what_is_imported_compiles_to_the_same_effects(case: Case, draw: st.DataObject) -> None:
    """Independently of the importer's own check: from its two texts, through the whole compiler."""
    found = draw.draw(situations(case, like=dict(ZONES)))
    item = compiled_of(found.device, found.intent)
    if item is None:
        reject()
    registry = installed()
    target = registry.get(case.target)
    native = native_of(item, base_of(case))
    importer = Importer(registry, target, builtin())
    try:
        imported = importer.run(native, found.device, "router", "config")
    except PolicyError:
        reject()
    merged = recompiled(imported.hosts, imported.policy, native)
    before, after = (importer._survey(text, found.device) for text in (native, merged))
    refused = {f.protocol for f in imported.findings if f.severity is Severity.ERROR}
    for id_, protocol in builtin().protocols.items():
        probes = plain_probes(own_flows(protocol, builtin()), found.device)
        known = [e.verdict is not Verdict.UNKNOWN for e in before.effects(probes)]
        if id_ not in refused and all(known):
            assert verdicts(before.effects(probes)) == verdicts(after.effects(probes)), id_
    for one in servers(before, builtin()).exposed:
        if one.partly is None and one.protocol not in refused:
            assert f"to: {one.to}" in imported.policy
        pairs = (before.effects(one.probes), after.effects(one.probes))
        assert verdicts(pairs[0]) == verdicts(pairs[1]), one.entry
    again = recompiled(imported.hosts, imported.policy, merged)
    assert again == merged


def recompiled(hosts: str, policy: str, native: str) -> str:
    registry = installed()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        (where / "hosts.yml").write_text(hosts)
        (where / "policy.yml").write_text(policy)
        request = Request((str(where / "hosts.yml"),), (where / "policy.yml",))
        ((_, router, problems),) = load_site(request, registry).routers()
        assert router is not None, problems
    item, problems = RouterCompiler(registry, OnDeviation.WARN).compile(router)
    assert item is not None, problems
    return native_of(item, native)


def test_a_config_becomes_files_that_the_compiler_takes(site: Site) -> None:
    site.write({"config": CONFIGS["24.10"]})
    command = (
        *("import", "openwrt", "config", "--host", "attic", "--lan", "br-lan", "--wan", "eth1"),
        *("--fact", "release=24.10", "--fact", "modules=nf_conntrack_pptp,nf_nat_pptp"),
    )
    result = site.run(*command, "-o", "made")
    assert result.code in (0, 3), result.err
    policy = (site.folder / "made/policy.yml").read_text()
    assert "wireguard: pass" in policy
    checked = site.run("validate", "-i", "made/hosts.yml", "-p", "made/policy.yml")
    assert checked.code == 0, checked.err
    assert site.run("compile", "-i", "made/hosts.yml", "-p", "made/policy.yml").code == 0
    again = site.run(*command, "-o", "made")
    assert again.code == 3
    assert "B703" in again.err


def test_what_cannot_be_said_is_refused_with_its_rule(site: Site) -> None:
    rule = (
        "\nconfig rule\n\toption name 'half'\n\toption src lan\n\toption dest wan\n"
        "\toption proto udp\n\toption dest_port 500\n\toption target DROP\n"
    )
    site.write({"config": CONFIGS["24.10"] + rule})
    command = ("import", "openwrt", "config", "--lan", "br-lan", "--wan", "eth1")
    result = site.run(*command, "--fact", "release=24.10")
    assert result.code == 3
    assert "'ikev2' is left out: ikev2.ike from lan to wan over ipv4: drop" in result.err
    assert "half" in result.err
    assert "ikev2" not in result.out
    assert "wireguard: pass" in result.out
    assert site.run(*command, "--fact", "release=24.10", "--partly").code == 0


@pytest.mark.parametrize("text", [b"", b"\x00", b"<html></html>", b"nonsense", b"\xff\xfe\x00"])
@pytest.mark.parametrize("target", ["openwrt", "linux", "asuswrt", "routeros", "vyos", "tplink"])
def test_no_text_makes_it_fall_over(site: Site, target: str, text: bytes) -> None:
    site.write({"config": text})
    result = site.run("import", target, "config")
    assert result.code == 3, result.err
    assert result.out == ""
    assert set(result.codes) <= {"T407", "A881", "A882", "A803", "A804"}


def test_what_would_change_packets_is_left_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The importer's own check, held by a compile that does another thing than it should."""
    base = "fw_pt_pptp=1\nfw_pt_l2tp=1\nfw_pt_ipsec=1\nnf_pptp=1\n"
    site.write({"config": base})
    honest = site.run("import", "asuswrt", "config", "--partly")
    assert "l2tp: pass" in honest.out
    other = base.replace("fw_pt_l2tp=1", "fw_pt_l2tp=0")
    monkeypatch.setattr(Importer, "_merged", lambda *_: other)
    result = site.run("import", "asuswrt", "config", "--partly")
    assert "l2tp:" not in result.out
    assert "A882" in result.codes
    assert "l2tp.tunnel would be drop, and is pass now" in result.err


def test_a_hostile_name_is_refused(site: Site) -> None:
    site.write({"config": CONFIGS["24.10"]})
    assert site.run("import", "openwrt", "config", "--host", "../up").code == 64


REDIRECT = """
config redirect
	option name '{port}'
	option src 'wan'
	option dest 'lan'
	option proto 'udp'
	option src_dport '{port}'
	option dest_ip '{to}'
	option target 'DNAT'
"""


def test_a_forwarding_is_imported_where_it_is_whole(site: Site) -> None:
    """WireGuard needs one port; IKE with one of its two is refused, and says what is missing."""
    forwarded = ((51820, "192.168.1.20"), (500, "192.168.1.21"))
    config = CONFIGS["24.10"] + "".join(REDIRECT.format(port=p, to=to) for p, to in forwarded)
    device = Device(
        "router",
        "openwrt",
        (
            Zone("lan", Role.LAN, ("br-lan",), (ip_network("192.168.1.0/24"),)),
            Zone("wan", Role.WAN, ("eth0",)),
        ),
        facts=MappingProxyType({"release": "24.10", "modules": ["nf_conntrack_pptp"]}),
    )
    registry = installed()
    importer = Importer(registry, registry.get("openwrt"), builtin())
    imported = importer.run(config, device, "router", "config")
    assert "  expose:\n  - protocol: wireguard\n    to: 192.168.1.20\n" in imported.policy
    assert "192.168.1.21" not in imported.policy
    told = [found.message for found in imported.findings if "192.168.1.21" in found.message]
    assert any("'ikev2' is left out of `expose`" in text and "natt" in text for text in told)


LAN, WAN = "br-lan", "eth1"
RULESET = """table inet filter {{
 chain forward {{ type filter hook forward priority 0; policy drop;
  ct state established,related accept
  iifname "eth1" ct status dnat accept
  {forward}
  iifname "br-lan" oifname "eth1" accept
 }}
}}
table ip nat {{
 chain pre {{ type nat hook prerouting priority -100;
  {nat}
 }}
 chain post {{ type nat hook postrouting priority 100;
  oifname "eth1" masquerade
 }}
}}
"""
SENT = 'iifname "eth1" {} udp dport 51820 dnat to 192.168.1.20'
BY_ADDRESS = [
    ("", SENT.format("ip saddr 203.0.113.0/24"), "from:\n    - 203.0.113.0/24", ""),
    ("", SENT.format("ip saddr != 203.0.113.5"), "", "wireguard.data from 203.0.113.5: drop"),
    ("", SENT.format("ether saddr 00:11:22:33:44:55"), "", "comes in from the WAN: ether saddr"),
    ("", SENT.replace("51820", "443").format(""), "", "what comes in to 192.168.1.20 may be"),
    ("ip saddr 192.168.1.64/26 udp dport 51820 drop", "",
     "action: block\n      from:\n      - 192.168.1.64/26", ""),
    ("ip daddr 198.51.100.9 udp dport 51820 drop", "", "to:\n      - 198.51.100.9/32", ""),
    ("ip saddr 192.168.1.66 ip daddr 9.9.9.0/24 udp dport 51820 drop", "", "",
     "from 192.168.1.66 to 9.9.9.0: drop"),
]  # fmt: skip


def imported_linux(forward: str, nat: str) -> Imported:
    zones = (
        Zone("lan", Role.LAN, (LAN,), (ip_network("192.168.1.0/24"),)),
        Zone("wan", Role.WAN, (WAN,)),
    )
    device = Device("router", "linux", zones, facts=MappingProxyType({"kernel": "6.1"}))
    importer = Importer(installed(), installed().get("linux"), builtin())
    return importer.run(RULESET.format(forward=forward, nat=nat), device, "router", "config")


@pytest.mark.parametrize(("forward", "nat", "policy", "told"), BY_ADDRESS)
def test_what_an_address_decides_is_said_or_refused(
    forward: str, nat: str, policy: str, told: str
) -> None:
    """Never left out silently, and never said of everybody."""
    imported = imported_linux(forward, nat)
    assert policy in imported.policy
    if not policy:
        assert "192.168.1.20" not in imported.policy
        assert ("wireguard: pass" in imported.policy) is not bool(forward)
        assert any(told in found.message for found in imported.findings), imported.findings


def test_more_sources_than_are_asked_about_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposures, "_MOST_PACKETS", 1)
    listed = ", ".join(f"203.0.113.{n}" for n in range(1, 9, 2))
    found = imported_linux("", SENT.format(f"ip saddr {{ {listed} }}")).findings
    (told,) = (f.message for f in found if "more addresses than are asked about" in f.message)
    assert not told.endswith(" 0 are not")


def test_a_routers_switches_say_nothing_of_servers(site: Site) -> None:
    site.write(
        {"config": "fw_pt_pptp=0\nfw_pt_l2tp=1\nnf_pptp=0\nvts_rulelist=<wg>51820>192.168.1.20\n"}
    )
    result = site.run("import", "asuswrt", "config")
    assert "A883" in result.codes
    assert "what comes in from the WAN is not read" in result.err


def test_what_linux_exposes_comes_back() -> None:
    case = next(case for case in CASES if case.name == "linux")
    found = situation(
        case,
        {
            "zones": ZONES,
            "protocols": [],
            "policy": {
                "name": "servers",
                "hosts": "all",
                "passthrough": {"pptp": "block"},
                "expose": [
                    {"protocol": "wireguard", "to": "192.168.1.20"},
                    {"protocol": "pptp", "to": "192.168.1.21"},
                ],
            },
        },
    )
    assert found is not None
    item = compiled_of(found.device, found.intent)
    assert item is not None
    importer = Importer(installed(), installed().get("linux"), builtin())
    imported = importer.run(native_of(item), found.device, "router", "config")
    assert "- protocol: wireguard\n    to: 192.168.1.20" in imported.policy
    assert "- protocol: pptp\n    to: 192.168.1.21" in imported.policy
