"""Hostile names in every place where a user can put one: an honest answer, never an accident.

A name is fine or refused (exit 0 or 3); what is printed holds no control character; a refused
run writes nothing; an accepted one writes below the output folder only.
"""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.support import HOSTS, POLICY, ZONES, Site

_HOSTILE = [
    "$(id)", "`id`", 'a"b', "a'b", "a\nb", "a\n      l2tp: pass", "\x1b[31mred", "x" * 300, "😀", "; drop",
    "../../etc", "-rf", "--help", " ", "", "a\0b", "\u202eabc", "{{ x }}", "{%", "%s", "a\\b", "#c", "*",
    "yes", "null", "1", "!x", "all", "default", "a,b", "a:b", "manifest.json", "r1/..", "con", "a b",
]  # fmt: skip
_NFT = [
    "add",
    "delete",
    "list",
    "flush",
    "table",
    "chain",
    "rule",
    "set",
    "map",
    "element",
    "counter",
    "quota",
    "limit",
    "ct",
    "ip",
    "ip6",
    "tcp",
    "udp",
    "accept",
    "drop",
    "reject",
    "jump",
    "goto",
    "return",
    "queue",
    "log",
    "snat",
    "dnat",
    "masquerade",
    "redirect",
    "meta",
    "iif",
    "oif",
    "hook",
    "policy",
    "type",
    "filter",
    "nat",
    "route",
    "inet",
    "arp",
    "bridge",
    "netdev",
    "mark",
    "saddr",
    "daddr",
    "sport",
    "dport",
    "established",
    "related",
    "new",
    "invalid",
    "helper",
    "define",
    "include",
    "reset",
    "monitor",
    "th",
    "and",
    "or",
    "xor",
    "not",
    "vmap",
    "notrack",
    "fib",
]

Files = dict[str, str]
Place = Callable[[str], Files]


def _hosts(host: str = '"r1"', more: str = "", target: str = "linux", zones: str = ZONES) -> Files:
    text = f"all: {{hosts: {{{host}: {{passthru_target: {target}, passthru_zones: {zones}{more}}}}}}}\n"
    return {"hosts.yml": text}


def _policy(text: str) -> Files:
    return {"policy.yml": f"- hosts: all\n  {text}\n"}


def _own(text: str) -> Files:
    return {"protocols.yml": f"protocols: {{{text}}}\n"}


_FLOW = "{layer4: udp, ports: [7000]}"
PLACES: dict[str, Place] = {
    "host": _hosts,
    "group": lambda name: {"hosts.yml": f"all: {{children: {{{name}: {HOSTS[5:-1]}}}}}\n"},
    "zone": lambda name: _hosts(zones=ZONES.replace("lan:", f"{name}:", 1)),
    "interface": lambda name: _hosts(zones=ZONES.replace("br-lan", name)),
    "network": lambda name: _hosts(zones=ZONES.replace("192.168.1.0/24", name)),
    "target": lambda name: _hosts(target=name),
    "variable": lambda name: _hosts(more=f", {name}: 1"),
    "value of our variables": lambda name: _hosts(more=f", passthru_mode: {name}, passthru_facts: {{{name}: {name}}}"),
    "file name in a variable": lambda name: _hosts(more=f", passthru_observed: {name}"),
    "play": lambda name: {"policy.yml": POLICY.replace("- hosts", f"- name: {name}\n  hosts")},
    "pattern": lambda name: {"policy.yml": POLICY.replace("all", name, 1)},
    "key": lambda name: _policy(f"{name}: 1\n  passthrough: {{pptp: block}}"),
    "protocol": lambda name: _policy(f"passthrough: {{{name}: block}}"),
    "action": lambda name: _policy(f"passthrough: {{pptp: {name}}}"),
    "reason": lambda name: _policy(f"passthrough: {{pptp: {{action: block, log: true, reason: {name}}}}}\n  expose: [{{protocol: wireguard, to: 192.168.1.7, reason: {name}}}]"),
    "limits": lambda name: _policy(f"passthrough: {{pptp: {{action: pass, to: {name}, from: {name}, ports: {name}, until: {name}}}}}"),
    "rate": lambda name: _policy(f"passthrough: {{pptp: {{action: pass, log: {{rate: {name}}}}}}}"),
    "exposure": lambda name: _policy(f"expose: [{{protocol: {name}, to: {name}}}]"),
    "variable of a play": lambda name: _policy(f"vars: {{{name}: {name}}}\n  passthrough: {{pptp: block}}"),
    "value of a template": lambda name: _policy(f'vars: {{v: {name}}}\n  passthrough: {{pptp: {{action: "{{{{ v }}}}", to: "{{{{ v }}}}"}}}}'),
    "own protocol": lambda name: _own(f"{name}: {{title: x, flows: {{d: {_FLOW}}}}}"),
    "own flow": lambda name: _own(f"mine: {{title: x, flows: {{{name}: {_FLOW}}}}}") | _policy("passthrough: {mine: block}"),
    "own title": lambda name: _own(f"mine: {{title: {name}, flows: {{d: {_FLOW}}}}}") | _policy("passthrough: {mine: block}"),
    "own alias": lambda name: _own(f"mine: {{title: x, aliases: [{name}], flows: {{d: {_FLOW}}}}}"),
}  # fmt: skip


def _judge(site: Site, *arguments: str) -> None:
    before = site.names()
    result = site.run(*arguments)
    assert result.code in (0, 3), result.err
    assert all(char.isprintable() or char == "\n" for char in result.err)
    after = [name for name in site.names() if name not in before]
    if result.code:
        assert after == []
    else:
        assert all(name.split("/")[0] == "out" for name in after)


@pytest.mark.parametrize("place", PLACES)
def test_names_that_mean_something_elsewhere(site: Site, place: str) -> None:
    for number, name in enumerate(_HOSTILE + _NFT[:: 3 if place == "zone" else 16]):
        site.write({"hosts.yml": HOSTS, "policy.yml": POLICY} | PLACES[place](json.dumps(name)))
        _judge(site, "compile", "-o", f"out/{number}")


@pytest.mark.parametrize("target", ["linux", "openwrt", "asuswrt", "tplink", "linksys"])
@pytest.mark.parametrize("place", ["host", "zone", "interface", "play", "reason"])
def test_every_family_takes_or_refuses_them(site: Site, target: str, place: str) -> None:
    for number, name in enumerate(_HOSTILE[::3]):
        files = {"hosts.yml": HOSTS, "policy.yml": POLICY} | PLACES[place](json.dumps(name))
        hosts = files["hosts.yml"].replace("passthru_target: linux", f"passthru_target: {target}")
        if target == "openwrt":
            hosts = hosts.replace(
                "passthru_target", 'passthru_facts: {release: "24.10"}, passthru_target'
            )
        site.write(files | {"hosts.yml": hosts})
        _judge(site, "compile", "-o", f"out/{number}", "--on-deviation", "warn")


@pytest.mark.parametrize("option", ["--policy", "--inventory", "--limit", "--extra-vars"])
@pytest.mark.parametrize("command", ["validate", "compile"])
def test_names_on_the_command_line(site: Site, option: str, command: str) -> None:
    for name in _HOSTILE:
        if "\0" in name:
            continue  # no command line can hold it
        result = site.run(command, f"{option}={name}")
        assert result.code in (0, 3, 64), (name, result.err)
        assert all(char.isprintable() or char == "\n" for char in result.err), name


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_reports_hold_no_control_characters(site: Site, form: str) -> None:
    for name in (name for name in _HOSTILE if name != "default"):
        site.write(_policy(f"passthrough: {{{json.dumps(name)}: block}}"))
        result = site.run("validate", "--output", form)
        assert result.code == 3
        assert all(char.isprintable() or char == "\n" for char in result.out)
        if form == "github":
            assert len(result.out.splitlines()) == 1
