"""Signatures against packets laid out byte by byte as their specifications say.

The OpenVPN layouts were compared with what OpenVPN 2.6 sends, first packet and repetitions.
"""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.catalogue import builtin
from compiler.model.protocol import UDP, Signature

COOKIE, NO_COOKIE = bytes(range(0x81, 0x89)), bytes(8)
NON_ESP_MARKER = bytes(4)
#: Fixed, so that every run (and every worker of one run) sees the same packets.
_RANDOM = random.Random(1)  # noqa: S311 - filler, not keys


def ike(version: int, exchange: int, next_payload: int = 1) -> bytes:
    """RFC 2408 section 3.1 and RFC 7296 section 3.1, with a payload of 16 bytes."""
    header = COOKIE + NO_COOKIE + bytes([next_payload, version, exchange, 0]) + bytes(4)
    return header + struct.pack("!I", 28 + 16) + _RANDOM.randbytes(16)


IKEV1_MAIN, IKEV1_AGGRESSIVE = ike(0x10, 2), ike(0x10, 4)
IKEV2_SA_INIT = ike(0x20, 34, 33)
IKEV2_MINOR_1 = ike(0x21, 34, 33)
ESP_IN_UDP = struct.pack("!II", 0xC0FFEE01, 1) + bytes([0x10, 0x20]) * 20
KEEPALIVE = b"\xff"
WIREGUARD = b"\x01\x00\x00\x00" + _RANDOM.randbytes(144)


def of_flow(id_: str) -> Signature:
    protocol = id_.partition(".")[0]
    flow = next(f for f in builtin().protocols[protocol].flows if f.id == id_)
    assert flow.signature is not None
    return flow.signature


def found(protocol: str, payload: bytes) -> bool:
    signatures = builtin().protocols[protocol].signatures
    assert {layer4 for layer4, _ in signatures} == {UDP}
    return any(signature.holds(payload) for _, signature in signatures)


@pytest.mark.parametrize(
    ("flow", "payload", "holds"),
    [
        ("ikev1.ike", IKEV1_MAIN, True),
        ("ikev1.ike", IKEV1_AGGRESSIVE, True),
        ("ikev1.ike", IKEV2_SA_INIT, False),
        ("ikev2.ike", IKEV2_SA_INIT, True),
        ("ikev2.ike", IKEV2_MINOR_1, True),
        ("ikev2.ike", IKEV1_MAIN, False),
        ("ikev2.ike", IKEV2_SA_INIT[:17], False),
        ("ikev1.natt", NON_ESP_MARKER + IKEV1_MAIN, True),
        ("ikev1.natt", NON_ESP_MARKER + IKEV2_SA_INIT, False),
        ("ikev1.natt", IKEV1_MAIN, False),
        ("ikev2.natt", NON_ESP_MARKER + IKEV2_SA_INIT, True),
        ("ikev2.natt", NON_ESP_MARKER + IKEV1_MAIN, False),
        ("ikev2.natt", IKEV2_SA_INIT, False),
        ("ikev1.natt", ESP_IN_UDP, False),
        ("ikev2.natt", ESP_IN_UDP, False),
        ("ikev1.natt", KEEPALIVE, False),
        ("ikev2.natt", KEEPALIVE, False),
        ("ikev2.natt", b"", False),
    ],
)
def test_ike(flow: str, payload: bytes, *, holds: bool) -> None:
    assert of_flow(flow).holds(payload) is holds


@given(st.binary(max_size=64))
@settings(max_examples=200)
def test_no_packet_is_both_versions_of_ike(payload: bytes) -> None:
    assert not (of_flow("ikev1.ike").holds(payload) and of_flow("ikev2.ike").holds(payload))
    assert not (of_flow("ikev1.natt").holds(payload) and of_flow("ikev2.natt").holds(payload))


@pytest.mark.parametrize(
    ("payload", "holds"),
    [
        (WIREGUARD, True),
        (WIREGUARD + b"\x00", False),
        (WIREGUARD[:-1], False),
        (b"\x02\x00\x00\x00" + WIREGUARD[4:], False),
        (b"\x01\x00\x00\x01" + WIREGUARD[4:], False),
        (b"\x04\x00\x00\x00" + bytes(28), False),
    ],
)
def test_wireguard_handshake_initiation(payload: bytes, *, holds: bool) -> None:
    assert found("wireguard", payload) is holds


def reset(opcode: int = 0x38) -> bytes:
    return bytes([opcode]) + COOKIE


def replay(number: int) -> bytes:
    """Packet id and time, as --tls-auth and --tls-crypt put them before every packet."""
    return struct.pack("!II", number, 0x6A000000)


FIRST = bytes(5)  # no acknowledgements, message 0


def tls_auth(digest: int, number: int = 1) -> bytes:
    return reset() + _RANDOM.randbytes(digest) + replay(number) + FIRST


def tls_crypt(number: int = 1) -> bytes:
    return reset() + replay(number) + _RANDOM.randbytes(32 + 5)


def tls_crypt_v2(number: int) -> bytes:
    return reset(0x50) + replay(number) + _RANDOM.randbytes(32 + 5 + 299)


def dns_query(id_: int, name: str, *, edns: bool = False) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack("!6H", id_, 0x0100, 1, 0, 0, int(edns)) + labels + b"\0\0\1\0\1"
    return query + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if edns else query


@pytest.mark.parametrize(
    "payload",
    [
        reset() + FIRST,
        *(tls_auth(digest, number) for digest in (20, 32, 64) for number in (1, 2, 7)),
        *(tls_crypt(number) for number in (1, 2, 7)),
        *(tls_crypt_v2(0x0F000000 + number) for number in (1, 2, 7)),
        *(tls_crypt_v2(number) for number in (1, 2, 7)),
    ],
)
def test_openvpn_client_reset(payload: bytes) -> None:
    assert found("openvpn", payload)


@pytest.mark.parametrize(
    "payload",
    [
        reset(),
        reset() + FIRST + b"\0",
        reset(0x40) + FIRST,  # the server's answer
        reset(0x39) + FIRST,  # key id 1: a renegotiation has no reset
        reset() + b"\0\0\0\0\1",
        reset(0x20) + replay(2) + _RANDOM.randbytes(37),
        b"\x38" + bytes([7]) * 13,
        b"",
    ],
)
def test_openvpn_near_misses(payload: bytes) -> None:
    assert not found("openvpn", payload)


@pytest.mark.parametrize("id_", [0x3800, 0x38A5, 0x5000, 0x50FF])
@pytest.mark.parametrize("edns", [False, True])
def test_dns_is_not_taken_for_openvpn(id_: int, *, edns: bool) -> None:
    """A DNS query begins with a random ID, so one in 256 begins with OpenVPN's opcode.

    What remains are queries of 54 bytes without EDNS whose name begins with a label of less
    than eight letters: there the label's length stands where tls-crypt counts its packets.
    """
    for length in range(8, 60):
        assert not found("openvpn", dns_query(id_, f"{'a' * length}.example", edns=edns))
    for length in range(1, 60):
        if length != 54 - 12 - 4 - len("\4host\0") - 1 or edns:
            assert not found("openvpn", dns_query(id_, f"host.{'a' * length}", edns=edns))


def test_tailscale_discovery() -> None:
    ping = "TS\N{SPEECH BALLOON}".encode() + _RANDOM.randbytes(32 + 24 + 40)
    assert found("tailscale", ping)
    assert not found("tailscale", b"\0" + ping)
    assert not found("tailscale", WIREGUARD)


def test_nebula_first_handshake() -> None:
    header = struct.pack("!BBHIQ", 0x10, 0, 0, 0, 1)
    assert found("nebula", header + _RANDOM.randbytes(200))
    assert not found(
        "nebula", struct.pack("!BBHIQ", 0x10, 0, 0, 0x1234, 2) + _RANDOM.randbytes(200)
    )
    assert not found("nebula", struct.pack("!BBHIQ", 0x11, 0, 0, 7, 1) + _RANDOM.randbytes(200))
    assert not found("nebula", header[:15])
