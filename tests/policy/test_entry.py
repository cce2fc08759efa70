"""One entry: limits, ports, log and dates; what is wrong is said at its key, all in one run."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

from datetime import date
from ipaddress import ip_network

import pytest

from compiler.model.intent import Action, Decision, Log
from compiler.model.protocol import Family
from tests.policy.support import entries, resolved, told


def _decision(entry: str, **variables: object) -> Decision:
    result = resolved(entries(f"wireguard: {entry}"), variables)
    assert told(result) == []
    found = result.intent.decision("wireguard")
    assert found
    return found


def _problems(entry: str, protocol: str = "wireguard", **variables: object) -> list[str]:
    result = resolved(entries(f"{protocol}: {entry}"), variables)
    assert result.intent.decision(protocol) is None or told(result)
    return [line.partition(" ")[0] + " " + line.partition(" ")[2] for line in told(result)]


def test_the_short_form_has_no_limits() -> None:
    found = _decision("pass")
    assert found.action is Action.PASS
    assert found.limits.everywhere
    assert found.otherwise is Action.KEEP


def test_networks_of_both_families_without_doubles_in_a_stable_order() -> None:
    found = _decision("{action: pass, to: [2001:db8::/32, 192.0.2.9, 10.0.0.0/8, 192.0.2.9]}")
    assert found.limits.destinations == tuple(
        map(ip_network, ("10.0.0.0/8", "192.0.2.9/32", "2001:db8::/32"))
    )


def test_from_takes_zones_and_networks() -> None:
    limits = _decision("{action: pass, from: [lan, guest, 192.168.1.0/25]}").limits
    assert limits.zones == ("guest", "lan")
    assert limits.sources == (ip_network("192.168.1.0/25"),)


def test_a_limited_pass_blocks_outside_unless_it_says_keep() -> None:
    assert _decision("{action: pass, to: 10.0.0.0/8}").otherwise is Action.BLOCK
    assert _decision("{action: pass, to: 10.0.0.0/8, otherwise: keep}").otherwise is Action.KEEP
    assert _decision("{action: pass, families: ipv4}").otherwise is Action.BLOCK
    assert _decision("{action: block, to: 10.0.0.0/8}").otherwise is Action.KEEP


def test_ports_replace_the_catalogues() -> None:
    flows = _decision("{action: pass, ports: [udp/443, udp/51820-51830]}").flows
    assert [(flow.ports_text, flow.shared) for flow in flows] == [
        ("udp/443", True),
        ("udp/51820-51830", False),
    ]


def test_log_and_until_and_reason() -> None:
    found = _decision("{action: pass, log: {rate: 3/hour}, until: 2027-03-31, reason: NET-1}")
    assert found.log == Log("3/hour", 5)
    assert found.until == date(2027, 3, 31)
    assert found.origin.reason == "NET-1"
    assert _decision("{action: pass, log: true}").log == Log()
    assert _decision("{action: pass, log: false}").log is None


def test_every_value_may_be_a_template() -> None:
    found = _decision(
        '{action: "{{ a }}", to: "{{ n }}", from: "{{ z }}", families: "{{ f }}", ports: "{{ p }}",'
        ' until: "{{ u }}", log: "{{ yes }}", reason: "{{ a }} it"}',
        a="pass", n=["10.0.0.0/8"], z="lan, guest", f=["ipv4"], p="udp/1, udp/2", u="2027-03-31",
        yes=True,
    )  # fmt: skip
    assert found.limits.destinations == (ip_network("10.0.0.0/8"),)
    assert found.limits.zones == ("guest", "lan")
    assert found.limits.families == {Family.IPV4}
    assert [flow.ports_text for flow in found.flows] == ["udp/1", "udp/2"]
    assert found.until == date(2027, 3, 31)
    assert found.log
    assert found.origin.reason == "pass it"


@pytest.mark.parametrize("value", [[], "", None, [""], ["10.0.0.0/8", ""], " ", "10.0.0.0/8,"])
@pytest.mark.parametrize("key", ["to", "from"])
def test_an_empty_list_is_an_error_even_when_a_template_makes_it(key: str, value: object) -> None:
    """An empty ``to`` never means any, wherever the emptiness comes from."""
    (found,) = _problems(f'{{action: pass, {key}: "{{{{ v }}}}"}}', v=value)
    assert found.startswith("P109 3:")


@pytest.mark.parametrize(
    ("entry", "problems"),
    [
        ("{action: pass, to: 10.0.0.1/8}", ["P110 3:35"]),
        ("{action: pass, to: [example.org, 10.0.0.0/33]}", ["P110 3:35", "P110 3:35"]),
        ("{action: pass, from: dmz}", ["P111 3:37 host 'r1' has no zone 'dmz'"]),
        ("{action: pass, from: wan}", ["P111 3:37 'wan' is a WAN zone"]),
        ("{action: pass, from: 300.1.1.1}", ["P110 3:37"]),
        ("{action: pass, ports: [udp, icmp/3, udp/0, udp/70000, udp/9-1, udp/1-2-3, udp/+5]}", ["P112 3:38"] * 7),
        ("{action: pass, until: 2027-02-30}", ["P102 3:38"]),
        ("{action: pass, otherwise: keep}", ["P115 3:42"]),
        ("{action: block, to: 10.0.0.0/8, otherwise: keep}", ["P115"]),
        ("{action: keep, to: 10.0.0.0/8, reason: x}", ["P115 3:35"]),
        ("{action: pass, families: ipv6, to: 10.0.0.0/8}", ["P115 3:51 'to' lists no network of ipv6"]),
        ("{action: pass, to: x, from: y, until: 2027-02-30}", ["P110", "P111", "P102"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_key(entry: str, problems: list[str]) -> None:
    found = _problems(entry)
    assert len(found) == len(problems), found
    for line in problems:
        assert any(one.startswith(line) for one in found), (line, found)


@pytest.mark.parametrize("protocol", ["pptp", "ipsec", "ah", "ikev2", "l2tpv3"])
def test_a_protocol_that_cannot_move_gets_no_ports(protocol: str) -> None:
    (found,) = _problems("{action: pass, ports: [udp/5]}", protocol)
    assert found.startswith("P115")


def test_a_template_must_give_what_the_schema_allows() -> None:
    for value, code in (("blok", "P102"), (5, "P102"), (["pass"], "P102"), ({"a": 1}, "P102")):
        assert _problems('{action: "{{ v }}"}', v=value)[0].startswith(code)
    assert _problems('{action: "{{ nothing }}"}')[0].startswith("V301 3:16")
    assert _problems('"{{ v }}"', v={"action": "pass", "too": 1})[0].startswith("P105")


def test_a_template_that_gives_a_template_is_no_answer() -> None:
    assert _problems("""{action: "{{ '{{ x }}' }}"}""")[0].startswith("V302")
