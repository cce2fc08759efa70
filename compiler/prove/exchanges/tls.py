"""TLS over TCP and DTLS over UDP: hellos, then records that hide what is inside.

SSTP, OpenConnect, SoftEther and Tailscale's relays begin like any visit to a web site. TLS: RFC
8446 sections 4.1.2 and 5.1 (records as RFC 5246 section 6.2). DTLS 1.2: RFC 6347 sections 4.1 and
4.2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from compiler.prove.exchanges.script import Exchange, Line, Memory, Side, noise, same

_HANDSHAKE, _APPLICATION = 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _VERIFY = 1, 2, 3
_TLS10, _TLS12, _DTLS10, _DTLS12 = b"\x03\x01", b"\x03\x03", b"\xfe\xff", b"\xfe\xfd"
_SUITES = bytes.fromhex("130113021303c02bc02fc02cc030")
_C, _S = Side.CLIENT, Side.SERVER
Build = Callable[[Memory], bytes]
Check = Callable[[Memory, bytes], str]


def _sized(data: bytes, width: int) -> bytes:
    return len(data).to_bytes(width, "big") + data


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack("!H", kind) + _sized(data, 2)


def _client_extensions(memory: Memory) -> bytes:
    share = struct.pack("!H", 29) + _sized(noise(memory, "key share", 32), 2)
    return b"".join(
        (
            _extension(0, _sized(b"\0" + _sized(b"vpn.example", 2), 2)),
            _extension(10, _sized(bytes.fromhex("001d0017"), 2)),
            _extension(13, _sized(bytes.fromhex("040308040401"), 2)),
            _extension(43, _sized(bytes.fromhex("03040303"), 1)),
            _extension(51, _sized(share, 2)),
        )
    )


def _record(kind: int, version: bytes, body: bytes) -> bytes:
    return bytes([kind]) + version + _sized(body, 2)


def client_hello(memory: Memory) -> bytes:
    """Give a record with a ClientHello."""
    hello = _TLS12 + noise(memory, "client random", 32) + _sized(noise(memory, "session", 32), 1)
    hello += _sized(_SUITES, 2) + b"\x01\x00" + _sized(_client_extensions(memory), 2)
    return _record(_HANDSHAKE, _TLS10, bytes([_CLIENT_HELLO]) + _sized(hello, 3))


def _server_hello(memory: Memory) -> bytes:
    share = struct.pack("!H", 29) + _sized(noise(memory, "server share", 32), 2)
    extensions = _extension(43, b"\x03\x04") + _extension(51, share)
    hello = _TLS12 + noise(memory, "server random", 32) + _sized(noise(memory, "session", 32), 1)
    hello += b"\x13\x01\x00" + _sized(extensions, 2)
    return _record(_HANDSHAKE, _TLS12, bytes([_SERVER_HELLO]) + _sized(hello, 3))


def _hidden(side: Side) -> Build:
    return lambda memory: _record(_APPLICATION, _TLS12, noise(memory, f"tls {side}", 120))


def _hear(what: str, build: Build) -> Check:
    """Check that a record came as it was said: both sides can work it out."""
    return lambda memory, heard: same(what, heard, build(memory))


def tls(flow: str) -> Exchange:
    """Give TLS over a flow."""
    return Exchange(
        flow,
        (flow,),
        (
            Line(_C, flow, "ClientHello", client_hello, _hear("the hello", client_hello)),
            Line(_S, flow, "ServerHello", _server_hello, _hear("the hello", _server_hello)),
        ),
        tuple(
            Line(side, flow, "a record", _hidden(side), _hear("the record", _hidden(side)))
            for side in (_C, _S)
        ),
        reference="RFC 8446",
    )


def _datagram(kind: int, version: bytes, number: int, body: bytes, epoch: int = 0) -> bytes:
    place = struct.pack("!H", epoch) + number.to_bytes(6, "big")
    return bytes([kind]) + version + place + _sized(body, 2)


def _message(kind: int, number: int, body: bytes) -> bytes:
    size = len(body).to_bytes(3, "big")
    return bytes([kind]) + size + struct.pack("!H", number) + b"\0\0\0" + size + body


def _datagram_hello(*, again: bool) -> Build:
    def build(memory: Memory) -> bytes:
        cookie = memory.get("cookie", b"") if again else b""
        hello = _DTLS12 + noise(memory, "client random", 32) + _sized(b"", 1) + _sized(cookie, 1)
        hello += _sized(_SUITES[6:], 2) + b"\x01\x00" + _sized(_extension(10, b"\0\x02\0\x1d"), 2)
        number = int(again)
        return _datagram(_HANDSHAKE, _DTLS10, number, _message(_CLIENT_HELLO, number, hello))

    return build


def _verify(memory: Memory) -> bytes:
    body = _DTLS10 + _sized(noise(memory, "cookie", 20), 1)
    return _datagram(_HANDSHAKE, _DTLS10, 0, _message(_VERIFY, 0, body))


def _datagram_server_hello(memory: Memory) -> bytes:
    hello = _DTLS12 + noise(memory, "server random", 32) + _sized(b"", 1) + b"\xc0\x2f\x00"
    return _datagram(_HANDSHAKE, _DTLS12, 1, _message(_SERVER_HELLO, 1, hello))


def _hear_verify(memory: Memory, heard: bytes) -> str:
    memory["cookie"] = heard[28:]
    return same("the request", heard, _verify(memory))


def _hear_cookie(memory: Memory, heard: bytes) -> str:
    known = {**memory, "cookie": noise(memory, "cookie", 20)}
    return same("the hello", heard, _datagram_hello(again=True)(known))


def _hidden_datagram(side: Side) -> Build:
    return lambda memory: _datagram(
        _APPLICATION, _DTLS12, 0, noise(memory, f"dtls {side}", 120), epoch=1
    )


def dtls(flow: str) -> Exchange:
    """Give DTLS over a flow."""
    return Exchange(
        flow,
        (flow,),
        (
            Line(
                _C,
                flow,
                "ClientHello",
                _datagram_hello(again=False),
                _hear("the hello", _datagram_hello(again=False)),
            ),
            Line(_S, flow, "HelloVerifyRequest", _verify, _hear_verify),
            Line(_C, flow, "ClientHello with cookie", _datagram_hello(again=True), _hear_cookie),
            Line(
                _S,
                flow,
                "ServerHello",
                _datagram_server_hello,
                _hear("the hello", _datagram_server_hello),
            ),
        ),
        tuple(
            Line(
                side,
                flow,
                "a record",
                _hidden_datagram(side),
                _hear("the record", _hidden_datagram(side)),
            )
            for side in (_C, _S)
        ),
        reference="RFC 6347",
    )


EXCHANGES = (
    tls("sstp.tls"),
    tls("openconnect.tls"),
    dtls("openconnect.dtls"),
    tls("softether.tls"),
    tls("softether.listeners"),
    tls("tailscale.derp"),
)
