"""Exports that somebody else made."""

from __future__ import annotations

import pytest

from compiler.catalogue import builtin
from compiler.cli.effects import judge
from compiler.errors import NativeError
from compiler.model.survey import Survey
from targets.routeros import TARGET
from targets.routeros.settings import cut

_DEFAULT = """# by RouterOS 7.14.3
/interface list
add name=WAN
add name=LAN
/interface list member
add interface=bridge list=LAN
add interface=ether1 list=WAN
/ip address
add address=192.168.88.1/24 interface=bridge
/ip firewall filter
{}add action=fasttrack-connection chain=forward connection-state=established,related
add action=accept chain=forward connection-state=established,related,untracked
add action=drop chain=forward connection-state=invalid
add action=drop chain=forward connection-nat-state=!dstnat connection-state=new in-interface-list=\\
    WAN
/ip firewall nat
add action=masquerade chain=srcnat ipsec-policy=out,none out-interface-list=WAN
"""


def survey(*rules: str) -> Survey:
    return TARGET.survey(_DEFAULT.format("".join(f"{rule}\n" for rule in rules)), None)


def verdict(found: Survey, protocol: str) -> str:
    return next(one.verdict for one in judge(found, builtin()) if one.protocol.id == protocol)


def test_the_default_config_passes_what_needs_no_helper() -> None:
    found = survey()
    assert [(z.name, z.devices, [str(n) for n in z.networks]) for z in found.device.zones] == [
        ("lan", ("bridge",), ["192.168.88.0/24"]),
        ("wan", ("ether1",), []),
    ]
    assert verdict(found, "wireguard") == "pass"
    assert verdict(found, "pptp") == "unknown"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("add action=drop chain=forward protocol=udp", "drop"),
        ("add action=drop chain=forward protocol=udp disabled=yes", "pass"),
        ("add action=drop chain=forward protocol=!udp", "pass"),
        ("add action=drop chain=forward dst-port=51000-52000 protocol=udp", "drop"),
        ("add action=drop chain=forward dst-port=1,!51820 protocol=udp", "unknown"),
        ("add action=drop chain=forward src-address=192.168.88.0/25", "unknown"),
        ("add action=drop chain=forward src-address=192.168.88.7", "pass"),
        ("add action=drop chain=forward src-address=192.168.0.0/16", "drop"),
        ("add action=drop chain=forward src-address=10.0.0.1-10.0.0.9", "pass"),
        ("add action=drop chain=forward in-interface=bridge out-interface=ether1", "drop"),
        ("add action=drop chain=forward in-interface-list=!LAN", "drop"),
        ("add action=drop chain=forward in-interface-list=gone", "unknown"),
        ("add action=drop chain=forward layer7-protocol=x", "unknown"),
        ("add action=jump chain=forward jump-target=mine\nadd action=drop chain=mine", "drop"),
        ("add action=jump chain=forward jump-target=gone", "pass"),
        ("add action=accept chain=forward\nadd action=drop chain=forward", "pass"),
        ("add action=drop chain=forward src-address-list=bad", "pass"),
        ("add action=drop chain=forward limit=1,5:packet", "unknown"),
        ("add action=something chain=forward", "unknown"),
        ("add action=drop chain=input", "pass"),
        ("set [find comment=x] disabled=yes", "unknown"),
    ],
)
def test_rules_of_others_decide(rule: str, expected: str) -> None:
    assert verdict(survey(rule), "wireguard") == expected


def test_address_lists_that_rules_fill_are_not_taken_at_their_word() -> None:
    listed = "/ip firewall address-list\nadd address=192.168.88.0/24 list=bad\n/ip firewall filter"
    drop = "add action=drop chain=forward src-address-list=bad"
    assert verdict(survey(listed, drop), "wireguard") == "drop"
    fill = "add action=add-src-to-address-list address-list=other chain=forward"
    filled = "add action=drop chain=forward src-address-list=other"
    assert verdict(survey(fill, filled), "wireguard") == "unknown"


def test_a_service_port_that_is_off_is_the_helper() -> None:
    off = _DEFAULT.format("") + "/ip firewall service-port\nset pptp disabled=yes\n"
    one = next(j for j in judge(TARGET.survey(off, None), builtin()) if j.protocol.id == "pptp")
    assert one.helper == "absent"


@pytest.mark.parametrize("text", ["", "{}", "<html>", "/system identity\nset name=x\n", "# x\n"])
def test_texts_that_are_no_export_are_refused(text: str) -> None:
    with pytest.raises(NativeError):
        TARGET.survey(text, None)


def test_a_script_that_ends_connections_changes_no_rule() -> None:
    """Ours removes what FastTrack would carry past a block; with anything more it is a script."""
    line = cut("protocol=udp")
    assert verdict(survey(line), "wireguard") == "pass"
    more = line.replace("remove $each", "remove $each; /ip firewall filter remove 0")
    assert verdict(survey(more), "wireguard") == "unknown"
