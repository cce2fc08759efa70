"""What a policy may say, but deserves a word."""

from __future__ import annotations

import pytest

from compiler.catalogue import builtin
from compiler.model.finding import Finding, Severity
from compiler.policy.lint import idle_plays, lint
from tests.policy.support import DEVICE, TODAY, entries, plays, resolved, told


def _lint(*lines: str) -> list[str]:
    result = resolved(entries(*lines))
    assert told(result) == []
    found = lint(result.intent, DEVICE, builtin(), TODAY)
    return [_line(one) for one in found]


def _line(found: Finding) -> str:
    assert found.place
    assert found.severity < Severity.ERROR
    return f"{found.code.name} {found.place.line}:{found.place.column} {found.message}"


@pytest.mark.parametrize(
    ("line", "told_"),
    [
        ("pptp: pass", ["L601 3:5 'pptp' is broken, and it is passed"]),
        ("l2tp: pass", ["L601 3:5 'l2tp' protects nothing by itself"]),
        ("ah: pass", ["L604 3:5 'ah' can never cross IPv4 NAT"]),
        ("ah: {action: pass, families: [ipv6]}", []),
        ("wireguard: block", ["L605 3:5 'wireguard' is blocked by port"]),
        ("wireguard: {action: block, detect: signature}", []),
        (
            "openvpn: {action: pass, until: 2026-06-20}",
            ["L606 3:5 the entry for 'openvpn' ends on"],
        ),
        ("openvpn: {action: pass, until: 2026-07-20}", []),
        ("ipsec: pass", []),
        ("pptp: block", []),
        ("default: block", []),
    ],
)
def test_a_decision_deserves_a_word(line: str, told_: list[str]) -> None:
    found = _lint(line)
    assert len(found) == len(told_), found
    for one, beginning in zip(found, told_, strict=True):
        assert one.startswith(beginning)


def test_raw_esp_cannot_be_told_apart() -> None:
    (found,) = _lint("ikev1: block", "ikev2: pass")
    assert found.startswith("L605 3:5 esp")
    assert "ikev2" in found


def test_idle_plays() -> None:
    several = plays(entries("pptp: pass") + entries("pptp: block") + entries("l2tp: block"))
    found = [_line(one) for one in idle_plays(several, frozenset({0, 1}), frozenset({1}))]
    assert [line.split(" play")[0] for line in found] == ["L602 1:3", "L603 7:10"]
