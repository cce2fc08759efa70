"""DD-WRT: what each key does at each value, what a block leaves open, and what is read."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.errors import NativeError
from compiler.model.effect import HelperState, Verdict
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from compiler.toggles.scripted import ScriptedSettings
from targets.ddwrt import TARGET
from tests.toggles.intents import FLOWS, block, device, let, probe

ROUTER = device("ddwrt", {"ipv6": True, "kernel": "3.18.1", "covers_bridges": True})
SCRIPTS = device("ddwrt", {"ipv6": True, "covers_bridges": True}, scripts=True)
OPEN = {"pptp_pass": "1", "l2tp_pass": "1", "ipsec_pass": "1", "filter": "on"}
PASS, DROP, UNKNOWN = Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN

#: (key, value): the flows that it drops, in IPv4.
TABLE: dict[tuple[str, str], set[str]] = {
    ("pptp_pass", "1"): set(),
    ("pptp_pass", "0"): {"pptp.control"},
    ("l2tp_pass", "1"): set(),
    ("l2tp_pass", "0"): {"l2tp.all"},
    ("ipsec_pass", "1"): set(),
    ("ipsec_pass", "0"): {"ipsec.ike"},
}


def listing(**values: str) -> str:
    return "".join(f"{key}={value}\n" for key, value in {**OPEN, **values}.items())


@pytest.mark.parametrize(("key", "value"), TABLE)
@pytest.mark.parametrize("firewall", ["on", "off", "", "1"])
def test_every_value_does_what_is_documented(key: str, value: str, firewall: str) -> None:
    settings = TARGET.parse(listing(**{key: value, "filter": firewall}), ROUTER)
    for flows in FLOWS.values():
        for flow in flows:
            four, six = TARGET.effects(settings, ROUTER, [probe(flow, f) for f in Family])
            dropped = firewall != "off" and flow.id in TABLE[key, value]
            assert four.verdict is (DROP if dropped else PASS), flow.id
            assert six.verdict is PASS
            assert not four.cuts_running
            if flow.id == "pptp.data":
                unloaded = (key, value) == ("pptp_pass", "0")
                state = HelperState.ABSENT if unloaded else HelperState.ASSIGNED
                assert four.helper is state


def deviations(wanted: Any, router: Any) -> set[tuple[str, tuple[str, ...]]]:
    found = TARGET.settings(wanted, router)
    asked = probes(wanted, router)
    return {(d.code.name, d.flows) for d in compare(wanted, TARGET.effects(found, router, asked))}


def test_a_block_leaves_a_part_open_and_says_so() -> None:
    four = device("ddwrt", {"covers_bridges": True})
    assert deviations(block("pptp", "ipsec"), four) == {
        ("D501", ("pptp.data",)),
        ("D505", ("pptp.control",)),
        ("D501", ("ipsec.ah", "ipsec.esp", "ipsec.natt")),
        ("D505", ("ipsec.ike",)),
    }


def test_a_block_turns_the_firewall_on_and_a_pass_leaves_it_alone() -> None:
    assert TARGET.settings(block("l2tp"), ROUTER).toggles.as_dict() == {
        "filter": "on",
        "l2tp_pass": "0",
    }
    assert TARGET.settings(let("l2tp", "pptp"), ROUTER).toggles.as_dict() == {
        "l2tp_pass": "1",
        "pptp_pass": "1",
    }


def test_without_the_firewall_nothing_is_dropped_and_unseen_it_is_unknown() -> None:
    ike = probe(FLOWS["ipsec"][0])
    whole = "ipsec_pass=0\nsize: 60 bytes (65476 left)\n"
    for text, verdict in (
        ("filter=off\nipsec_pass=0\n", PASS),
        ("filter=\nipsec_pass=0\n", DROP),
        (whole, DROP),
        ("ipsec_pass=0\n", UNKNOWN),  # a filtered listing: `filter` may be anything
    ):
        (effect,) = TARGET.effects(TARGET.parse(text, ROUTER), ROUTER, [ike])
        assert effect.verdict is verdict, effect
    own = TARGET.render(TARGET.settings(let("l2tp"), ROUTER), ROUTER).native_text
    unseen = TARGET.parse(own.replace("l2tp_pass=1", "ipsec_pass=0"), ROUTER)
    (effect,) = TARGET.effects(unseen, ROUTER, [ike])
    assert (effect.verdict, "filter=on" in effect.because) == (UNKNOWN, True)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [({"covers_bridges": True}, DROP), ({"covers_bridges": False}, PASS), ({}, UNKNOWN)],
)
def test_further_bridges_are_covered_by_some_builds(facts: Any, verdict: Verdict) -> None:
    router = device("ddwrt", facts)
    settings = TARGET.settings(block("l2tp"), router)
    guest = [p for p in probes(block("l2tp"), router) if p.source == "guest"]
    assert {e.verdict for e in TARGET.effects(settings, router, guest)} == {verdict}


def test_rc_firewall_reaches_the_rest() -> None:
    wanted = block("pptp", "l2tp", "ipsec", "wireguard")
    assert deviations(wanted, SCRIPTS) == set()
    found = TARGET.settings(wanted, SCRIPTS)
    bundle = TARGET.render(found, SCRIPTS)
    assert [file.path for file in bundle.files] == ["apply.sh", "nvram.txt", "rc_firewall"]
    assert TARGET.parse(bundle.native_text, SCRIPTS) == found


def test_rc_firewall_is_merged_and_taken_out_byte_for_byte() -> None:
    found = TARGET.settings(block("wireguard"), SCRIPTS)
    empty = ScriptedSettings()
    for script in ("", "\n", "echo a\n\n", "#!/bin/sh", "#!/bin/sh\nx=1\n", "pptp_pass=1; exit"):
        text = f"{listing()}@rc_firewall\n{script}"
        merged = TARGET.merge(found, text, SCRIPTS)
        assert TARGET.parse(merged, SCRIPTS).rules == found.rules
        assert TARGET.merge(found, merged, SCRIPTS) == merged
        assert TARGET.merge(empty, merged, SCRIPTS).rstrip("\n") == text.rstrip("\n")


def test_a_script_among_other_keys_is_never_guessed_at() -> None:
    plain = f"{listing()}rc_firewall=echo a\nexit 0\n"
    assert TARGET.parse(plain, SCRIPTS).rules == ()
    found = TARGET.settings(block("wireguard"), SCRIPTS)
    with pytest.raises(NativeError, match="end is not certain"):
        TARGET.merge(found, plain, SCRIPTS)
    ours = f"{listing()}rc_firewall=# >>> passthru\n# <<< passthru\n"
    with pytest.raises(NativeError, match="where rc_firewall begins"):
        TARGET.parse(f"{listing()}note=x\n# >>> passthru\n", SCRIPTS)
    assert TARGET.parse(f"{listing()}rc_firewall=\n", SCRIPTS).rules == ()
    with pytest.raises(NativeError):
        TARGET.parse(ours, SCRIPTS)


def test_what_a_terminal_does_to_a_listing() -> None:
    found = TARGET.settings(block("wireguard"), SCRIPTS)
    merged = TARGET.merge(found, f"{listing()}@rc_firewall\necho a\n", SCRIPTS)
    rough = "DD-WRT v3.0-r44715 std\r\n\x1b[0m" + merged.replace("\n", "\r\n")
    assert TARGET.parse(rough, SCRIPTS).rules == found.rules
    with pytest.raises(NativeError, match="a terminal has changed"):
        TARGET.merge(found, rough, SCRIPTS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("wan_proto=dhcp\n", "none of the keys"),
        ("pptp_pass=1\nl2tp_pa", "middle of a line"),
        ("pptp_pass=2\n", "whose meaning is not known"),
        ("pptp_pass=off\n", "whose meaning is not known"),
        ("pptp_pass=1\npptp_pass=0\n", "second, other value"),
    ],
)
def test_listings_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(NativeError, match=words):
        TARGET.parse(text, ROUTER)


def test_unset_and_empty_switches_are_not_known_but_the_firewall_is() -> None:
    text = "pptp_pass=\nl2tp_pass=1\n"
    assert TARGET.parse(text, ROUTER).toggles.as_dict() == {"l2tp_pass": "1"}
    found = TARGET.parse(f"{text}filter=\n", ROUTER).toggles.as_dict()
    assert found == {"filter": "on", "l2tp_pass": "1"}
