"""What is understood, what is doubted, and which texts are refused."""

# Listings read best as they are printed.
# ruff: noqa: E501

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest

from compiler.errors import NativeError
from compiler.evaluate import Packet, Ruleset, Verdict, load_iptables, load_nft
from compiler.evaluate.iptables import saved
from compiler.model.finding import Code
from compiler.model.protocol import TCP, UDP

CLIENT, SERVER = ip_address("192.168.1.11"), ip_address("203.0.113.10")
PPTP = Packet(CLIENT, SERVER, TCP, "br-lan", "wan", 40000, 1723, b"")


def listing(*chains: tuple[str, dict[str, Any], list[list[Any]]], extra: Any = ()) -> Ruleset:
    """Make a listing of the table inet t."""
    entries: list[Any] = [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "t"}},
    ]
    entries += extra
    for name, base, rules in chains:
        entries.append({"chain": {"family": "inet", "table": "t", "name": name, **base}})
        for number, expr in enumerate(rules, 1):
            where = {"family": "inet", "table": "t", "chain": name, "handle": number}
            entries.append({"rule": {**where, "expr": expr}})
    return load_nft(json.dumps({"nftables": entries}))


def base(hook: str = "forward", policy: str = "accept", prio: int = 0) -> dict[str, Any]:
    return {"type": "filter", "hook": hook, "prio": prio, "policy": policy}


def port(number: Any, op: str = "==") -> dict[str, Any]:
    left = {"payload": {"protocol": "tcp", "field": "dport"}}
    return {"match": {"op": op, "left": left, "right": number}}


DROP, ACCEPT = {"drop": None}, {"accept": None}
LIMIT = {"limit": {"rate": 10, "burst": 5, "per": "second"}}


def test_the_rule_that_decides_is_named() -> None:
    jump = {"jump": {"target": "deep"}}
    ruleset = listing(("deep", {}, [[port(1723), DROP]]), ("f", base(), [[jump], [ACCEPT]]))
    outcome = ruleset.forward(PPTP)
    assert outcome.verdict is Verdict.DROP
    assert [str(step) for step in outcome.steps] == [
        "inet t f handle 1: jump deep",
        "inet t deep handle 1: tcp dport 1723 drop",
    ]


def test_a_drop_in_any_base_chain_is_final() -> None:
    ruleset = listing(("a", base(prio=-5), [[ACCEPT]]), ("b", base(prio=5, policy="drop"), []))
    outcome = ruleset.forward(PPTP)
    assert (outcome.verdict, outcome.because) == (Verdict.DROP, "inet t b: policy drop")


def test_a_limit_matters_only_where_both_ways_differ() -> None:
    kept = listing(("f", base(), [[port(1723), LIMIT, DROP], [DROP]]))
    torn = listing(("f", base(), [[port(1723), LIMIT, DROP]]))
    assert kept.forward(PPTP).verdict is Verdict.DROP
    outcome = torn.forward(PPTP)
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.possible == {Verdict.DROP, Verdict.PASS}
    assert "limit rate 10" in outcome.reason
    assert "handle 1" in outcome.reason


@pytest.mark.parametrize(
    "statement",
    [
        {"xt": {"type": "target", "name": "X"}},
        {"queue": None},
        {"new thing": 5},
        {"jump": {"target": "gone"}},
    ],
)
def test_what_is_not_understood_leaves_the_verdict_unknown(statement: Any) -> None:
    ruleset = listing(("f", base(), [[port(1723), statement]]))
    assert ruleset.forward(PPTP).verdict is Verdict.UNKNOWN
    other = Packet(CLIENT, SERVER, TCP, "br-lan", "wan", 40000, 80, b"")
    assert ruleset.forward(other).verdict is Verdict.PASS


def test_a_chain_without_a_name_is_listed_as_text_and_not_understood() -> None:
    """What nft 1.0.6 makes of ``tcp dport 1723 jump { drop; }`` in JSON."""
    ruleset = listing(("f", base(), [[port(1723), "jump {\n\t\t\tdrop\n\t\t}"], [ACCEPT]]))
    assert ruleset.forward(PPTP).verdict is Verdict.UNKNOWN
    other = Packet(CLIENT, SERVER, TCP, "br-lan", "wan", 40000, 80, b"")
    assert ruleset.forward(other).verdict is Verdict.PASS


def test_a_set_that_rules_fill_is_not_taken_at_its_word() -> None:
    filled = {
        "family": "inet",
        "table": "t",
        "name": "s",
        "type": "ipv4_addr",
        "elem": ["192.168.1.11"],
    }
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    match = {"match": {"op": "==", "left": source, "right": "@s"}}
    add = {"set": {"op": "add", "elem": source, "set": "@s"}}
    still = listing(("f", base(), [[match, DROP]]), extra=[{"set": filled}])
    moving = listing(("f", base(), [[match, DROP], [add]]), extra=[{"set": filled}])
    assert still.forward(PPTP).verdict is Verdict.DROP
    assert moving.forward(PPTP).verdict is Verdict.UNKNOWN


def test_a_helper_is_assigned_to_its_own_protocol_and_family_only() -> None:
    helper = {
        "family": "inet",
        "table": "t",
        "name": "p_",
        "type": "pptp",
        "protocol": "tcp",
        "l3proto": "ip",
    }
    ruleset = listing(
        ("p", base("prerouting"), [[{"ct helper": "p_"}]]), extra=[{"ct helper": helper}]
    )
    assert ruleset.forward(PPTP).helper == "pptp"
    six = Packet(
        ip_address("2001:db8::1"), ip_address("2001:db8::2"), TCP, "br-lan", "wan", 1, 1723
    )
    assert ruleset.forward(six).helper == ""


def test_bytes_that_are_not_known_are_a_doubt() -> None:
    raw = {"payload": {"base": "th", "offset": 64, "len": 8}}
    match = {"match": {"op": "==", "left": raw, "right": 1}}
    ruleset = listing(("f", base(), [[match, DROP]]))

    def verdict(payload: bytes | None) -> Verdict:
        return ruleset.forward(Packet(CLIENT, SERVER, UDP, "a", "b", 1, 2, payload)).verdict

    found = [verdict(payload) for payload in (b"\x01", b"\x02", b"", None)]
    assert found == [Verdict.DROP, Verdict.PASS, Verdict.PASS, Verdict.UNKNOWN]


def test_the_order_of_equal_priorities_is_explored() -> None:
    ruleset = listing(("a", base(), [[DROP]]), ("b", base(), [[{"reject": {"type": "tcp reset"}}]]))
    outcome = ruleset.forward(PPTP)
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.possible == {Verdict.DROP, Verdict.REJECT}


def test_bridge_tables_are_noted() -> None:
    entries: list[Any] = [{"metainfo": {}}, {"table": {"family": "bridge", "name": "b"}}]
    ruleset = load_nft(json.dumps({"nftables": entries}))
    assert ruleset.notes == ("table bridge b is not looked at: it is no IP table",)
    assert ruleset.forward(PPTP).verdict is Verdict.PASS


@pytest.mark.parametrize("family", ["bridge", "netdev", "inet"])
def test_what_passes_may_end_in_a_chain_that_is_not_looked_at(family: str) -> None:
    where = {"family": family, "table": "b"}
    hook = {"type": "filter", "hook": "input" if family == "bridge" else "ingress", "prio": 0}
    chain = {"chain": {**where, "name": "i", **hook, "policy": "accept"}}
    rule = {"rule": {**where, "chain": "i", "handle": 1, "expr": [port(443), DROP]}}
    assert listing(("f", base(), []), extra=[chain]).forward(PPTP).verdict is Verdict.PASS
    outcome = listing(("f", base(), []), extra=[chain, rule]).forward(PPTP)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "chain i" in outcome.because
    assert listing(("f", base(policy="drop"), []), extra=[chain, rule]).forward(PPTP).verdict.blocks


def _chosen(numbers: list[int], *, other: bool = False) -> dict[str, Any]:
    key = {"payload": {"protocol": "tcp", "field": "dport"}}
    elements = [[number, "x"] for number in numbers] + ([["*", "x"]] if other else [])
    return {"map": {"key": key, "data": {"set": elements}}}


@pytest.mark.parametrize(
    "statement",
    [
        lambda chosen: {"counter": chosen},
        lambda chosen: {"ct timeout": chosen},
        lambda chosen: {"dup": {"addr": chosen}},
        lambda chosen: {"mangle": {"key": {"meta": {"key": "priority"}}, "value": chosen}},
    ],
)
def test_a_key_that_a_map_lacks_breaks_the_rule(statement: Any) -> None:
    for chosen, verdict in (
        (_chosen([80, 443]), Verdict.PASS),
        (_chosen([443, 1723]), Verdict.DROP),
        (_chosen([443], other=True), Verdict.DROP),
    ):
        ruleset = listing(("f", base(), [[statement(chosen), DROP]]))
        assert ruleset.forward(PPTP).verdict is verdict


def test_an_element_with_a_limit_holds_at_times() -> None:
    element = {"elem": {"val": 1723, **LIMIT}}
    counted = {"elem": {"val": 1723, "counter": {"packets": 3, "bytes": 5}}}
    for found, verdict in ((element, Verdict.UNKNOWN), (counted, Verdict.DROP)):
        name = {"family": "inet", "table": "t", "name": "s", "type": "inet_service"}
        sets = [{"set": {**name, "elem": [found]}}]
        ruleset = listing(("f", base(), [[port("@s"), DROP]]), extra=sets)
        assert ruleset.forward(PPTP).verdict is verdict


def test_extension_headers_are_asked_of_ipv6_only() -> None:
    missing = {"match": {"op": "==", "left": {"exthdr": {"name": "hbh"}}, "right": False}}
    ruleset = listing(("f", base(), [[missing, DROP]]))
    assert ruleset.forward(PPTP).verdict is Verdict.PASS
    six = Packet(ip_address("2001:db8::1"), ip_address("2001:db8::2"), TCP, "br-lan", "wan", 1, 2)
    assert ruleset.forward(six).verdict is Verdict.DROP


def test_a_table_whose_flag_is_misprinted_may_be_asleep() -> None:
    table = {"table": {"family": "inet", "name": "t", "flags": "t"}}
    outcome = listing(("f", base(policy="drop"), []), extra=[table]).forward(PPTP)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "dormant" in outcome.because


ZONE = {"mangle": {"key": {"ct": {"key": "zone"}}, "value": 5}}
ZONE_SAVED = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i br-lan -j CT --zone 5\nCOMMIT\n"


@pytest.mark.parametrize(
    "ruleset",
    [listing(("f", base("prerouting", prio=-300), [[ZONE]])), load_iptables(ZONE_SAVED, None)],
)
def test_answers_may_be_strangers_where_rules_choose_zones(ruleset: Ruleset) -> None:
    assert ruleset.forward(PPTP).verdict is Verdict.PASS
    answer = Packet(
        SERVER, CLIENT, TCP, "wan", "br-lan", 1723, 40000, state="established", reply=True
    )
    assert ruleset.forward(answer).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("hops", "verdict"), [(1, Verdict.DROP), (2, Verdict.PASS), (64, Verdict.PASS)]
)
def test_the_last_hop_ends_a_packet(hops: int, verdict: Verdict) -> None:
    key = {"payload": {"protocol": "ip", "field": "ttl"}}
    ruleset = listing(("p", base("prerouting"), [[{"mangle": {"key": key, "value": hops}}]]))
    assert ruleset.forward(PPTP).verdict is verdict


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(NativeError) as caught:
        listing(("f", base(policy=""), []))
    assert caught.value.findings[0].code is Code.T407


WHOLE = json.dumps({"nftables": [{"metainfo": {}}, {"table": {"family": "ip", "name": "x"}}]})


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"nftables": []}', '{"nftables": [{"chain": {}}]}', "table inet x { }",
     *[WHOLE[:end] for end in range(0, len(WHOLE), 7)],
     '{"nftables": [{"metainfo": {}}, {"chain": {"family": "ip"}}]}',
     '{"nftables": [{"metainfo": {}}, {"rule": {"family": "ip", "table": "x", "chain": "gone", "handle": 1, "expr": []}}]}',
     '{"nftables": [{"metainfo": {}}, {"rule": 5}]}'],
)  # fmt: skip
def test_texts_that_are_no_nft_listing_are_refused(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        load_nft(text)
    assert [found.code for found in caught.value.findings] == [Code.T407]


SAVED = """# Generated by iptables-save v1.8.9
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 1723 -j CT --helper pptp
COMMIT
*filter
:FORWARD DROP [3:180]
:vpn - [0:0]
[5:300] -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i br-lan -m comment --comment "it's -j DROP" -g vpn
-A vpn -s 192.168.1.0/24 ! -d 10.0.0.0/8 -p tcp -m multiport --dports 22,1723 -j ACCEPT
-A vpn -p udp -m set --match-set vpn dst -j ACCEPT
COMMIT
"""


def test_iptables_rules_are_walked() -> None:
    ruleset = load_iptables(SAVED, None)
    outcome = ruleset.forward(PPTP)
    assert (outcome.verdict, outcome.helper) == (Verdict.PASS, "pptp")
    assert outcome.because.startswith("ip filter vpn line 11: -s 192.168.1.0/24")
    udp = Packet(CLIENT, SERVER, UDP, "br-lan", "wan", 40000, 500)
    assert ruleset.forward(udp).verdict is Verdict.UNKNOWN
    assert "set" in ruleset.forward(udp).reason
    six = Packet(
        ip_address("2001:db8::1"), ip_address("2001:db8::2"), TCP, "br-lan", "wan", 1, 1723
    )
    assert ruleset.forward(six).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "text",
    ["", "\n# nothing\n", SAVED[:-8], SAVED[: SAVED.index("-A vpn -p udp")], "-A FORWARD -j ACCEPT\n",
     "*filter\n:FORWARD ACCEPT [0:0]\n-A GONE -j DROP\nCOMMIT\n", "*nonsense\nCOMMIT\n", "iptables: command not found"],
)  # fmt: skip
def test_texts_that_are_no_iptables_listing_are_refused(text: str) -> None:
    with pytest.raises(NativeError) as caught:
        load_iptables(text, None)
    assert [found.code for found in caught.value.findings] == [Code.T407]


@pytest.mark.parametrize(
    ("rule", "family"),
    [
        ("-s 2001:db8::/32 -j DROP", "ip6"),
        ("-s ::/0 -j DROP", "ip6"),
        ("-j DNAT --to-destination [2001:db8::1]:80", "ip6"),
        ("-p ipv6-icmp -j ACCEPT", "ip6"),
        ("-s 10.0.0.0/8 -j DROP", "ip"),
        ("-m time --timestart 08:00:00 --timestop 18:00:00 -j DROP", ""),
        ("-m mac --mac-source 00:11:22:33:44:55 -j DROP", ""),
        ('-m comment --comment "dead::beef at 08:00" -s 10.0.0.0/8 -j DROP', "ip"),
    ],
)
def test_a_time_of_day_is_no_address(rule: str, family: str) -> None:
    """Where no header says it, what the rules mention tells the family; else it is guessed."""
    parts, said = saved.families(f"*filter\n:FORWARD DROP [0:0]\n-A FORWARD {rule}\nCOMMIT\n")
    assert list(parts) == [family or "ip"]
    assert bool(said) is not bool(family)
