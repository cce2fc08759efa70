"""A family is data: the strange switches of other firmware need no code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compiler.errors import NativeError, TargetError
from compiler.model.effect import Direction, HelperState, Probe, Verdict
from compiler.model.intent import Action
from compiler.model.judge import compare, probes
from compiler.model.protocol import AH, BOTH_FAMILIES, ESP, GRE, TCP, UDP
from compiler.model.protocol import Family as Version
from compiler.model.target import Capabilities
from compiler.toggles.family import (
    IPV6,
    Family,
    HelperFact,
    Loading,
    Match,
    Toggle,
    ToggleSettings,
    Value,
)
from compiler.toggles.nvram import NvramForm
from compiler.toggles.target import ToggleTarget
from tests.model.flows import flow
from tests.toggles.intents import FLOWS, block, decision, device, intent, let, probe

ABILITIES = Capabilities(
    reads=True, writes=True, pushes="ssh", rolls_back="", helper="", ipv6="", running_tunnels=""
)


def toggle(key: str, *drops: Match, **more: object) -> Toggle:
    made = Toggle(key, key, (Value("1"), Value("0", drops=drops)), "1", "a test")
    return replace(made, **more)  # type: ignore[arg-type]


def family(*toggles: Toggle, **more: object) -> Family:
    made = Family("toy", "a toy", toggles, NvramForm("service firewall restart"), ABILITIES)
    return replace(made, **more)  # type: ignore[arg-type]


#: DD-WRT: blocks leave GRE, NAT-T, ESP and AH open, the switch loads the helper.
PARTIAL = ToggleTarget(
    family(
        Toggle(
            "pptp_pass",
            "",
            (
                Value("1", helpers=(("pptp", Loading.LOADED),)),
                Value("0", drops=(Match.port(TCP, 1723),), helpers=(("pptp", Loading.ABSENT),)),
            ),
            "1",
            "a test",
        ),
        toggle("ipsec_pass", Match.port(UDP, 500)),
        helpers=(HelperFact("pptp", (Match(GRE),), "a test"),),
    )
)
#: D-Link rgdb: blocking L2TP blocks IKE too.
GREEDY = ToggleTarget(
    family(
        toggle("l2tp", Match.port(UDP, 500), Match.port(UDP, 1701)),
        toggle(
            "ipsec", Match.port(UDP, 500), Match.port(UDP, 4500), Match(ESP), Match(AH), unset="0"
        ),
    )
)


def codes(target: ToggleTarget, wanted: object, router: object) -> list[tuple[str, list[str]]]:
    found = target.settings(wanted, router)  # type: ignore[arg-type]
    asked = probes(wanted, router)  # type: ignore[arg-type]
    effects = target.effects(found, router, asked)  # type: ignore[arg-type]
    return [(d.code.name, list(d.flows)) for d in compare(wanted, effects)]  # type: ignore[arg-type]


def test_partial_drops_are_deviations() -> None:
    assert sorted(codes(PARTIAL, block("pptp", "ipsec"), device("toy"))) == [
        ("D501", ["ipsec.ah", "ipsec.esp", "ipsec.natt"]),
        ("D501", ["pptp.data"]),
        ("D505", ["ipsec.ike"]),
        ("D505", ["pptp.control"]),
    ]


@pytest.mark.parametrize(
    ("kernel", "state"),
    [("4.1.27", HelperState.ASSIGNED), ("4.7.0", HelperState.UNKNOWN), ("", HelperState.UNKNOWN)],
)
def test_a_loaded_helper_is_assigned_by_old_kernels_only(kernel: str, state: HelperState) -> None:
    router = device("toy", {"kernel": kernel} if kernel else {})
    found = PARTIAL.settings(let("pptp"), router)
    assert found.as_dict() == {"pptp_pass": "1"}
    (effect,) = PARTIAL.effects(found, router, [probe(FLOWS["pptp"][1])])
    assert (effect.verdict, effect.helper) == (Verdict.PASS, state)


def test_a_greedy_switch_is_told() -> None:
    router = device("toy")
    assert GREEDY.settings(block("l2tp"), router).as_dict() == {"l2tp": "0"}
    (note,) = GREEDY.notes(block("l2tp"), router)
    assert "l2tp=0 also drops udp/500" in note.message
    # IPsec passes and L2TP is blocked: one of them cannot have its will, and it is said.
    wanted = intent(decision("l2tp", Action.BLOCK), decision("ipsec", Action.PASS))
    assert next(code for code, _ in codes(GREEDY, wanted, router)) in ("D501", "D502")


def test_a_missing_key_means_what_the_data_says() -> None:
    router = device("toy")
    whole = "l2tp=1\nsize: 60 bytes (65476 left)\n"
    assert GREEDY.parse(whole, router).as_dict() == {"ipsec": "0", "l2tp": "1"}
    assert GREEDY.parse("ipsec=\nl2tp=1\n", router).as_dict() == {"ipsec": "0", "l2tp": "1"}
    # Not known to be whole: somebody may have filtered or cut it.
    assert GREEDY.parse("l2tp=1\n", router).as_dict() == {"l2tp": "1"}
    assert GREEDY.parse("ipsec=1\n", router).as_dict() == {"ipsec": "1"}
    with pytest.raises(NativeError, match="whose meaning is not known"):
        GREEDY.parse("ipsec=2\nl2tp=1\n", router)


def test_a_protocol_without_a_switch_passes() -> None:
    router = device("toy")
    found = GREEDY.settings(block("wireguard", "pptp"), router)
    assert found == ToggleSettings()
    effects = GREEDY.effects(found, router, probes(block("wireguard"), router))
    assert {(e.verdict, e.because) for e in effects} == {
        (Verdict.PASS, "no switch of this family touches it")
    }


def test_four_values_and_inbound() -> None:
    """FreshTomato's ipsec_pass: 0 off, 1 both families, 2 IPv6, 3 IPv4, and inbound only."""

    def opened(native: str, *families: frozenset[Version]) -> Value:
        return Value(native, opens=tuple(Match.port(UDP, 500, f) for f in families))

    values = (Value("0"), opened("1", BOTH_FAMILIES), opened("2", IPV6), opened("3", frozenset()))
    target = ToggleTarget(family(Toggle("ipsec_pass", "", values, "1", "a test")))
    router = device("toy", {"ipv6": True})
    assert target.settings(block("ipsec"), router) == ToggleSettings()
    ike = FLOWS["ipsec"][0]
    asked = [Probe(ike, version, "wan", "lan", 500, direction=Direction.IN) for version in Version]
    for native, verdicts in (
        ("0", [Verdict.DROP, Verdict.DROP]),
        ("1", [Verdict.PASS, Verdict.PASS]),
        ("2", [Verdict.DROP, Verdict.PASS]),
    ):
        effects = target.effects(ToggleSettings.of({"ipsec_pass": native}), router, asked)
        assert [effect.verdict for effect in effects] == verdicts
    unmanaged = target.effects(ToggleSettings(), router, asked)
    assert {effect.verdict for effect in unmanaged} == {Verdict.UNKNOWN}


def test_inverted_switches_and_a_users_own_protocol() -> None:
    inverted = Toggle(
        "block_ike", "", (Value("0"), Value("1", drops=(Match.port(UDP, 500),))), "0", "a test"
    )
    target = ToggleTarget(family(inverted, cuts_running=True))
    own = decision("mine", Action.BLOCK, flows=(flow("mine.udp", UDP, 500),))
    router = device("toy")
    assert target.settings(intent(own), router).as_dict() == {"block_ike": "1"}
    assert codes(target, intent(own), router) == []


def test_an_unmanaged_switch_is_unknown_unless_observed() -> None:
    asked = [probe(FLOWS["l2tp"][0])]
    (effect,) = GREEDY.effects(ToggleSettings(), device("toy"), asked)
    assert effect.verdict is Verdict.UNKNOWN
    observed = device("toy", observed="l2tp=0\nipsec=1\n")
    (effect,) = GREEDY.effects(ToggleSettings(), observed, asked)
    assert (effect.verdict, effect.because) == (Verdict.DROP, "l2tp=0")


def test_independent_switches_are_solved_apart_and_tangled_ones_are_refused() -> None:
    many = [toggle(f"key{n}", Match.port(UDP, n)) for n in range(1, 41)]
    flows = tuple(flow(f"mine.{n}", UDP, n) for n in range(1, 41))
    wanted = intent(decision("mine", Action.BLOCK, flows=flows))
    found = ToggleTarget(family(*many)).settings(wanted, device("toy"))
    assert set(found.as_dict().values()) == {"0"}
    tangled = [toggle(f"key{n}", Match.port(UDP, 1)) for n in range(20)]
    with pytest.raises(TargetError, match="combinations"):
        ToggleTarget(family(*tangled)).settings(wanted, device("toy"))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"kernel": 4.1}, "must be text"),
        ({"kernel": "new"}, "right form"),
        ({"ipv6": "yes"}, "true or false"),
    ],
)
def test_invalid_facts_are_found(facts: dict[str, object], words: str) -> None:
    (finding,) = PARTIAL.check(device("toy", facts))  # type: ignore[arg-type]
    assert finding.code.name == "T404"
    assert words in finding.message
    assert finding.place is not None


def test_zones_and_observed_are_checked() -> None:
    router = replace(device("toy"), zones=())
    assert len(PARTIAL.check(router)) == 2
    (finding,) = PARTIAL.check(device("toy", observed=""))
    assert finding.code.name == "T407"
    (finding,) = PARTIAL.check(device("toy", observed=7))
    assert finding.code.name == "T404"
    assert {"observed", "facts.ipv6", "facts.kernel"} <= PARTIAL.options().keys()
