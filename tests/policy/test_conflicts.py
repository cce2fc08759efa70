"""Unrelated protocols that share a flow and disagree: P114, with both lines."""

# ruff: noqa: E501 - rows of tables stay on one line

from __future__ import annotations

import pytest

from tests.policy.support import entries, resolved, told


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("openvpn: pass", "wireguard: {action: block, ports: [udp/1194]}", "udp/1194"),
        ("wireguard: block", "zerotier: {action: pass, ports: [udp/51000-52000]}", "udp/51820"),
        ("sstp: {action: block, collateral: accept}", "openconnect: pass", "tcp/443"),
        ("openvpn: {action: pass, to: 10.0.0.0/8}", "wireguard: {action: pass, ports: [udp/1194]}", "udp/1194"),
        ("nebula: {action: pass, from: lan}", "wireguard: {action: pass, from: guest, ports: [udp/4242]}", "udp/4242"),
    ],
)  # fmt: skip
def test_both_lines_are_named(first: str, second: str, shared: str) -> None:
    (line,) = told(resolved(entries(first, second)))
    assert line.startswith("P114 4:5")
    assert "p.yml:3:5" in line
    assert shared in line


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("openvpn: pass", "wireguard: {action: pass, ports: [udp/1194]}"),
        ("openvpn: pass", "wireguard: {action: block, ports: [udp/1195]}"),
        ("ikev1: block", "ikev2: pass"),
        ("ipsec: pass", "ikev1: block"),
        ("sstp: pass", "openconnect: keep"),
    ],
)
def test_agreeing_or_related_protocols_are_no_conflict(first: str, second: str) -> None:
    assert told(resolved(entries(first, second))) == []


def test_users_own_protocols_are_compared_too() -> None:
    own = "protocols: {mine: {title: Mine, flows: {d: {layer4: udp, ports: [51820]}}}}"
    (line,) = told(resolved(entries("wireguard: block", "mine: pass"), protocols=own))
    assert line.startswith("P114 4:5")


def test_a_default_is_a_line_like_any_other() -> None:
    text = entries("default: block", "wireguard: {action: pass, ports: [udp/1194]}")
    (line,) = told(resolved(text))
    assert line.startswith("P114")
