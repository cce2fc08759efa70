"""Dumps that somebody else made: what they do, and when nobody can tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from compiler.build.registry import installed
from compiler.catalogue import builtin
from compiler.cli.effects import judge
from compiler.errors import NativeError
from compiler.model.device import Device
from compiler.model.effect import HelperState, Verdict
from compiler.model.judge import plain_probes
from compiler.model.survey import Survey, Surveys
from compiler.toggles.family import ToggleSettings

_NVRAM = "pptp_pass=0\nipsec_pass=1\nl2tp_pass=1\nfilter=on\nwan_proto=dhcp\n"
_SWITCHED = ("asuswrt", "ddwrt", "dlink", "freshtomato", "linksys", "tplink")


def verdicts(found: Survey) -> dict[str, str]:
    return {one.protocol.id: one.verdict for one in judge(found, builtin())}


def survey(name: str, text: str, device: Device | None = None) -> Survey:
    target: Any = installed().get(name)
    assert isinstance(target, Surveys)
    return target.survey(text, device)


@pytest.mark.parametrize("name", _SWITCHED)
def test_a_family_reads_what_it_wrote_itself(name: str) -> None:
    """1. render the defaults of each kind of router, 2. survey that, 3. compare the effects."""
    target: Any = installed().get(name)
    for device in target.examples():
        switches = target.switches(device) if hasattr(target, "switches") else target
        family = switches.family(device)
        settings = ToggleSettings.of({toggle.key: toggle.default for toggle in family.toggles})
        bundle = switches.render(settings, device)
        found = survey(name, bundle.native_text, replace(device, options={}))
        flows = [flow for p in builtin().protocols.values() for flow in p.flows]
        asked = plain_probes(flows, device)
        own = switches.effects(settings, device, asked)
        for one, other in zip(own, found.effects(asked), strict=True):
            assert other.verdict in (one.verdict, Verdict.UNKNOWN), (device.name, one, other)


def test_keys_of_a_dump_decide() -> None:
    found = verdicts(survey("ddwrt", _NVRAM))
    assert (found["pptp"], found["wireguard"], found["ikev2"]) == ("partial", "pass", "pass")


def test_a_script_of_the_user_makes_everything_unknown() -> None:
    foreign = "rc_firewall=iptables -I FORWARD -p udp -j DROP\n"
    assert set(verdicts(survey("ddwrt", _NVRAM + foreign)).values()) == {"unknown"}
    # Where a value over several lines ends, nobody can tell: X=1 may be a line of the script.
    hidden = "rc_firewall=# mine\nX=1\niptables -I FORWARD -p udp -j DROP\n"
    assert set(verdicts(survey("ddwrt", _NVRAM + hidden)).values()) == {"unknown"}
    assert verdicts(survey("ddwrt", _NVRAM + "rc_firewall=\n"))["wireguard"] == "pass"


def test_a_script_below_its_mark_is_read() -> None:
    plain = _NVRAM + "@rc_firewall\n"
    assert (
        verdicts(survey("ddwrt", plain + "# mine\niptables -I INPUT -p tcp -j DROP\n"))["wireguard"]
        == "pass"
    )
    for line in ("iptables -I FORWARD -j DROP", "iptables -I INPUT -j DROP; iptables -F", ". /x"):
        assert verdicts(survey("ddwrt", f"{plain}{line}\n"))["wireguard"] == "unknown"


def test_a_router_that_runs_scripts_nobody_showed_is_unknown() -> None:
    dump = "fw_pt_pptp=1\nfw_pt_l2tp=1\nfw_pt_ipsec=1\nfw_pt_rtsp=1\nfw_pt_h323=1\nfw_pt_sip=1\n"
    assert verdicts(survey("asuswrt", dump))["wireguard"] != "unknown"
    seen = survey("asuswrt", dump + "jffs2_scripts=1\n")
    assert verdicts(seen)["wireguard"] == "unknown"
    assert "A803" in [f.code.name for f in seen.findings]


def test_the_rules_of_such_a_router_speak_where_they_are_given() -> None:
    rules = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -s 10.0.0.0/8 -j ACCEPT\nCOMMIT\n"
    found = survey("freshtomato", rules)
    assert set(verdicts(found).values()) <= {"drop", "unknown"}
    flow = builtin().protocols["wireguard"].flows[0]
    assert "FORWARD" in found.effects(plain_probes([flow], found.device))[0].because


@pytest.mark.parametrize("name", _SWITCHED)
@pytest.mark.parametrize(
    "text", ["", "x=1\n", "{}", "<html></html>", "\x00", "*filter\n", '{"a":', "<a><b></a>", "pptp"]
)
def test_a_text_of_something_else_is_refused(name: str, text: str) -> None:
    with pytest.raises(NativeError):
        survey(name, text)


def test_an_unknown_kernel_leaves_the_helper_open() -> None:
    found = survey("ddwrt", _NVRAM.replace("pptp_pass=0", "pptp_pass=1"))
    assert {one.state for one in found.helpers} == {HelperState.UNKNOWN}
