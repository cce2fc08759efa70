"""Hostile rulesets: nothing but rules comes out of them, and no tool runs what they name."""

from __future__ import annotations

import json

import pytest

from compiler.prove.twin import safe

_TABLE = "*filter\n:FORWARD ACCEPT [0:0]\n:own_chain - [0:0]\n{rule}\nCOMMIT\n"

HONEST = [
    "-A FORWARD -j own_chain",
    "[12:840] -A FORWARD -s 10.0.0.0/8 ! -i br0 -p udp -m udp --dport 500 -j DROP",
    '-A FORWARD -m comment --comment "-j DROP, or not; $(reboot)" -j ACCEPT',
    '-A FORWARD -m comment --comment "say \\"hi\\"" -j ACCEPT',
    "-A FORWARD -m statistic --mode random --probability 0.5 -j DROP",
    "-A FORWARD -m time --monthdays 1,2 -j DROP",
    '-A FORWARD -m u32 --u32 "0x0&0x1=0x1" -g own_chain',
    '-A FORWARD -j LOG --log-prefix "dropped: " --log-level 7',
    "-A FORWARD -m length --length 0:100 -m mark ! --mark 0x0 -j CONNMARK --set-xmark 0x1/0xff",
]
HOSTILE = [
    "-A FORWARD --modprobe={program} -m nosuch -j DROP",
    "-A FORWARD --modprobe {program} -m nosuch -j DROP",
    "-A FORWARD --modp {program} -m nosuch -j DROP",
    "-A FORWARD --mod={program} -m nosuch -j DROP",
    "-A FORWARD -M {program} -m nosuch -j DROP",
    "-A FORWARD -M{program} -m nosuch -j DROP",
    "-A FORWARD -fM{program} -m nosuch -j DROP",
    '-A FORWARD "-M{program}" -m nosuch -j DROP',
    '-A FORWARD "--modprobe={program}" -m nosuch -j DROP',
    '-A FORWARD --mod"probe={program}" -m nosuch -j DROP',
    "-A FORWARD '-M{program}' -m nosuch -j DROP",
    "-A FORWARD \\-M{program} -m nosuch -j DROP",
    '-A FORWARD -s -m comment --comment -m "-M{program}" -j DROP',
    "-A FORWARD -m ../..{program} -j DROP",
    "-A FORWARD -p ../..{program} -j DROP",
    "-A FORWARD -j ../..{program}",
    "-A FORWARD -j IDLETIMER --timeout 5 --label x",
    "-I FORWARD -j DROP",
    "-t nat -A PREROUTING -j ACCEPT",
    ":../x ACCEPT [0:0]",
]


@pytest.mark.parametrize("rule", HONEST)
def test_what_iptables_save_prints_is_taken(rule: str) -> None:
    assert safe.refusal(_TABLE.format(rule=rule)) == ""


@pytest.mark.parametrize("rule", HOSTILE)
def test_what_reaches_beyond_rules_is_refused_with_its_line(rule: str) -> None:
    text = _TABLE.format(rule=rule.format(program="/bin/evil"))
    assert safe.refusal(text).startswith("line 4: ")


def test_a_listing_is_rebuilt_of_objects_alone() -> None:
    table = {"family": "inet", "name": "t"}
    entries = [
        {"metainfo": {"json_schema_version": 1}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [{"accept": None}]}},
        {"table": table},
        {"flush": {"ruleset": None}},
        {"include": "/etc/passwd"},
        {"table": {"family": "netdev", "name": "n"}},
        {"chain": {"family": "inet", "table": "t", "name": "c"}},
        {"set": ["not an object"]},
    ]
    rebuilt = json.loads(safe.listing(json.dumps({"nftables": entries})))["nftables"]
    assert [next(iter(entry)) for entry in rebuilt] == ["table", "chain", "rule"]
    assert rebuilt[0] == {"table": table}


def test_a_helper_that_is_absent_goes_with_its_rules() -> None:
    here = {"family": "inet", "table": "t"}
    entries = [
        {"ct helper": {**here, "name": "h", "type": "sip", "protocol": "udp"}},
        {"ct helper": {**here, "name": "p", "type": "pptp", "protocol": "tcp"}},
        {"rule": {**here, "chain": "c", "expr": [{"ct helper": "h"}]}},
        {"rule": {**here, "chain": "c", "expr": [{"ct helper": "p"}]}},
    ]
    rebuilt = json.loads(safe.listing(json.dumps({"nftables": entries}), {"sip"}))["nftables"]
    assert [one.get("ct helper", one.get("rule", {})).get("name") for one in rebuilt] == ["p", None]
    assert rebuilt[1]["rule"]["expr"] == [{"ct helper": "p"}]
