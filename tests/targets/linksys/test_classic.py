"""Linksys WRT54G and kin: three switches behind a fourth, set by hand."""

from __future__ import annotations

from typing import Any

import pytest

from compiler.errors import NativeError
from compiler.model.effect import HelperState, Verdict
from compiler.model.judge import compare, probes
from compiler.model.protocol import Family
from targets.linksys import TARGET
from tests.toggles.intents import FLOWS, block, device, probe

PASS, DROP, UNKNOWN = Verdict.PASS, Verdict.DROP, Verdict.UNKNOWN
LATE = device("linksys", {"flavour": "classic", "drops_esp": True})
EARLY = device("linksys", {"flavour": "classic", "drops_esp": False})
UNSTATED = device("linksys", {"flavour": "classic"})
OPEN = {"ipsec_pass": "1", "pptp_pass": "1", "l2tp_pass": "1", "filter": "on"}

#: (router, key, value): the flows that do not pass, in IPv4.
TABLE: list[tuple[Any, str, str, dict[str, Verdict]]] = [
    *((LATE, key, value, {}) for key in OPEN for value in ("1", "") if key != "filter"),
    (LATE, "pptp_pass", "0", {"pptp.control": DROP}),
    (LATE, "l2tp_pass", "0", {"l2tp.all": DROP}),
    (LATE, "ipsec_pass", "0", {"ipsec.ike": DROP, "ipsec.esp": DROP, "ipsec.ah": DROP}),
    (EARLY, "ipsec_pass", "0", {"ipsec.ike": DROP}),
    (UNSTATED, "ipsec_pass", "0", {"ipsec.ike": DROP, "ipsec.esp": UNKNOWN, "ipsec.ah": UNKNOWN}),
]


@pytest.mark.parametrize(("router", "key", "value", "expected"), TABLE)
@pytest.mark.parametrize("firewall", ["on", "off"])
def test_every_value_does_what_is_documented(
    router: Any, key: str, value: str, expected: dict[str, Verdict], firewall: str
) -> None:
    listing = {**OPEN, key: value, "filter": firewall}
    settings = TARGET.parse("".join(f"{k}={v}\n" for k, v in listing.items()), router)
    for flows in FLOWS.values():
        for flow in flows:
            four, six = TARGET.effects(settings, router, [probe(flow, f) for f in Family])
            verdict = expected.get(flow.id, PASS)
            if firewall == "off" and verdict is DROP:
                verdict = UNKNOWN  # builds differ
            assert four.verdict is verdict, flow.id
            assert six.verdict is PASS
            assert four.cuts_running
            if flow.id == "pptp.data":
                assert four.helper is HelperState.UNKNOWN


def test_a_block_is_an_instruction_and_needs_the_firewall() -> None:
    wanted = block("pptp", "ipsec")
    settings = TARGET.settings(wanted, LATE)
    assert settings.as_dict() == {"filter": "on", "ipsec_pass": "0", "pptp_pass": "0"}
    bundle = TARGET.render(settings, LATE)
    words = next(f for f in bundle.files if f.path == "instructions.txt").content.decode()
    assert "- IPSec Passthrough: Disable   (ipsec_pass = 0)\n" in words
    assert "- Firewall Protection: Enable   (filter = on)\n" in words
    found = compare(wanted, TARGET.effects(settings, LATE, probes(wanted, LATE)))
    assert {(d.code.name, d.flows) for d in found} == {
        ("D501", ("ipsec.natt",)),
        ("D501", ("pptp.data",)),
    }


@pytest.mark.parametrize("line", ["pptp_pass = 0", "pptp_pass\t0 ", "\x1b]0;x\x07pptp_pass= 0\r\r"])
def test_a_listing_may_be_written_by_a_person(line: str) -> None:
    assert TARGET.parse(f"{line}\n", LATE).as_dict() == {"pptp_pass": "0"}


@pytest.mark.parametrize("value", ["Disable", "'0'", "0 (off)", "0 l2tp_pass=0", "on"])
def test_words_of_a_person_are_no_values(value: str) -> None:
    with pytest.raises(NativeError, match="meaning is not known"):
        TARGET.parse(f"pptp_pass={value}\n", LATE)
