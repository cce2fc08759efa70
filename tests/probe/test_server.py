"""The server as an attacker meets it: it answers nobody else, and nobody more than it was sent."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.catalogue import builtin
from compiler.errors import SecretError, TransportError
from compiler.model.protocol import TCP, UDP, Family
from compiler.probe import client
from compiler.probe.client import Asking, probe
from compiler.probe.desk import Desk, Guest
from compiler.probe.script import HANDSHAKE, Part, parts_of, rehearse
from compiler.probe.server import Server, Serving, _Rate
from compiler.probe.session import CHALLENGE, HELLO, MAGIC, Channel, Hellos, Token, answer, call
from compiler.probe.talks import Talk, talks_of
from compiler.prove.exchanges import Side

TALKS = talks_of(builtin(), Family.IPV4)
EVERY = pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.id)
ADDRESS, OTHER = "203.0.113.2", "203.0.113.3"
#: A loopback address of this process: others may try the same ports at the same time.
HOME = f"127.{os.getpid() >> 16 & 0x7F | 0x80}.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
TOKEN = Token.of("a token that both know")
FOREIGN = Token.of("a token of somebody else")


def parts(talk: Talk, seed: bytes = b"seed", number: int = 1) -> tuple[Part, ...]:
    return parts_of(talk, talk.flows, seed, number)


def said_by_client(talk: Talk, seed: bytes = b"seed", number: int = 1) -> list[tuple[str, bytes]]:
    messages = rehearse(talk.exchange, talk.seed(seed), number)
    lines = zip(talk.exchange.lines, messages, strict=True)
    return [(line.flow, message) for line, message in lines if line.by is Side.CLIENT]


@EVERY
def test_never_more_is_sent_than_was_received(talk: Talk) -> None:
    """A client that says every line, and again where its answer is longer, hears everything."""
    by_flow = {part.flow.id: part for part in parts(talk)}
    sizes = dict.fromkeys(by_flow, 0)
    for flow, part in by_flow.items():
        sizes[flow] = HANDSHAKE if part.flow.layer4 == TCP else 0
    for flow, message in said_by_client(talk):
        part = by_flow[flow]
        answered = bool(part.steps[part.heard].answers)
        for _ in range(30):
            sizes[flow] += len(message)
            answers = part.hear(message)
            assert answers is not None
            sizes[flow] -= sum(map(len, answers))
            assert sizes[flow] >= 0
            if answers or not answered or part.flow.layer4 == TCP:
                break
        assert bool(answers) is answered
    assert all(part.heard == len(part.steps) for part in by_flow.values())


@EVERY
def test_answers_end_however_often_a_client_repeats_itself(talk: Talk) -> None:
    part = parts(talk)[0]
    _, first = said_by_client(talk)[0]
    answered = sum(bool(part.hear(first)) for _ in range(1000))
    assert 0 < answered < 20


@EVERY
def test_the_first_message_cannot_be_made_without_the_seed(talk: Talk) -> None:
    """At least 56 bits of it come from the secret, and each of its bits counts."""
    for part in parts(talk):
        if part.flow.carried:
            continue
        first = part.steps[0].expected
        others = [parts(talk, bytes([n]))[0].steps[0].expected for n in range(40)]
        varying = sum(len({other[at] for other in others}) > 20 for at in range(len(first)))
        # written as hex digits, 16 of them are 64 bits
        digits = sum(8 < len({other[at] for other in others}) <= 20 for at in range(len(first)))
        assert varying * 8 + digits * 4 >= 56
        for at in range(len(first)):
            changed = first[:at] + bytes([first[at] ^ 1]) + first[at + 1 :]
            assert part.hear(changed) is None
        assert part.hear(others[0]) is None
        assert part.heard == 0


def test_data_of_pptp_needs_the_seed_too() -> None:
    (talk,) = talks_of(builtin(), Family.IPV4, ["pptp"])
    data, other = parts(talk)[1], parts(talk, b"other")[1]
    assert data.hear(other.steps[0].expected) is None
    assert data.hear(data.steps[0].expected) is not None


def test_a_helper_may_change_call_ids_and_nothing_else() -> None:
    (talk,) = talks_of(builtin(), Family.IPV4, ["pptp"])
    control = parts(talk)[0]
    messages = [message for flow, message in said_by_client(talk) if flow == "pptp.control"]
    assert control.hear(messages[0])
    changed = messages[1][:12] + b"\xab\xcd" + messages[1][14:]
    (reply,) = control.hear(changed) or ()
    assert reply[14:16] == b"\xab\xcd", "the server answers to the call that it saw"
    assert control.hear(b"\0\0" + messages[2][2:]) is None


def test_talks_on_one_port_are_told_apart() -> None:
    seen: dict[tuple[tuple[int, int], bytes], str] = {}
    for talk in TALKS:
        for part in parts(talk):
            key = (talk.place(part.flow), part.steps[0].expected)
            assert key not in seen, f"{talk.id} looks like {seen[key]}"
            seen[key] = talk.id


def desk() -> tuple[Desk, Guest]:
    made = Desk()
    guest = Guest(ADDRESS, 1, tuple(part for talk in TALKS for part in parts(talk)))
    made.guests.append(guest)
    return made, guest


PLACES = sorted(desk()[1].places())
EXPECTED = sorted({part.steps[0].expected for part in desk()[0].all_parts()})


@given(
    place=st.sampled_from(PLACES),
    noise=st.binary(max_size=300),
    front=st.sampled_from(EXPECTED),
    keep=st.integers(0, 120),
)
def test_random_bytes_are_not_answered(
    place: tuple[int, int], noise: bytes, front: bytes, keep: int
) -> None:
    """Also when they begin like something that is expected, or come from another address."""
    made, guest = desk()
    mixed = front[:keep] + noise
    for data in (noise, mixed):
        if data in EXPECTED:
            continue
        assert made.hear(place, ADDRESS, 4000, data) == ()
        assert made.find(place, ADDRESS, data)[0] is None or data.startswith(tuple(EXPECTED))
    assert made.hear(place, OTHER, 4000, front) == ()
    assert all(part.heard == 0 for part in guest.parts)


def test_a_message_from_another_address_is_noted_and_not_answered() -> None:
    made, guest = desk()
    part = next(guest.at((UDP, 51820)))
    assert made.hear((UDP, 51820), OTHER, 4000, part.steps[0].expected) == ()
    assert guest.elsewhere == {(UDP, 51820): OTHER}
    assert made.hear((UDP, 51820), ADDRESS, 4000, part.steps[0].expected)


def test_another_port_of_the_same_address_does_not_get_into_a_talk() -> None:
    made, guest = desk()
    part = next(guest.at((UDP, 51820)))
    assert made.hear((UDP, 51820), ADDRESS, 4000, part.steps[0].expected)
    assert made.hear((UDP, 51820), ADDRESS, 4001, part.steps[0].expected) == ()


def test_strays_are_counted_up_to_a_bound() -> None:
    made, guest = desk()
    for number in range(2000):
        made.hear((UDP, 500), ADDRESS, number, b"?")
    assert guest.strays == {(UDP, 500): 1000}


def test_two_clients_behind_one_address_do_not_meet() -> None:
    made, first = desk()
    second = Guest(ADDRESS, 2, tuple(p for talk in TALKS for p in parts(talk, b"two", 2)))
    made.guests.append(second)
    assert made.number() == 3
    for guest in (second, first):
        part = next(guest.at((UDP, 51820)))
        assert made.hear((UDP, 51820), ADDRESS, 4000, part.steps[0].expected)
        assert part.heard == 1
    made.guests.remove(first)
    assert made.number() == 1


# -- the control session, over loopback


@asynccontextmanager
async def served(clients: int = 4) -> AsyncIterator[int]:
    with closing(socket.socket()) as free:
        free.bind((HOME, 0))
        port: int = free.getsockname()[1]
    serving = Serving(builtin(), port, (HOME,), ["wireguard"], clients)
    standing = asyncio.Event()
    server = Server(serving, TOKEN, lambda _: None)
    task = asyncio.create_task(server.serve(standing.set))
    await standing.wait()
    try:
        yield port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def told(port: int, *messages: bytes) -> bytes:
    """Say something to the server, and that this was all; what it says in the end."""
    reader, writer = await asyncio.open_connection(HOME, port)
    try:
        for message in messages:
            writer.write(message)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


@given(st.lists(st.binary(max_size=200), max_size=6))  # fewer than pass in a second
def test_random_bytes_on_the_control_port_get_nothing(sent: list[bytes]) -> None:
    async def test() -> None:
        async with served() as port:
            for data in sent:
                assert await told(port, data) == b""
                assert await told(port, MAGIC + data) == b""
            assert await told(port, FOREIGN.hello(bytes(32))) == b""
            asking = Asking(builtin(), HOME, port, protocols=["wireguard"])
            assert (await probe(asking, TOKEN, lambda _: None)).flows[0].state == "passed"

    asyncio.run(test())


def test_a_family_that_does_not_get_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def both(asking: Asking) -> tuple[tuple[object, ...], ...]:
        return (("::1", asking.port, 0, 0), (HOME, asking.port))

    async def test() -> None:
        said: list[str] = []
        monkeypatch.setattr(client, "_names", both)
        async with served() as port:
            asking = Asking(builtin(), "both", port, protocols=["wireguard"])
            result = await probe(asking, TOKEN, said.append)
        assert [way.family for way in result.ways] == ["ipv4"]
        assert said[0].startswith("ipv6: 'both' is not reached on tcp/")
        with pytest.raises(TransportError) as caught:
            await probe(asking, TOKEN, said.append)
        assert len(caught.value.findings) == 2

    asyncio.run(test())


def test_a_hello_that_is_played_again_gets_nothing() -> None:
    async def test() -> None:
        async with served() as port:
            hello = TOKEN.hello(secrets.token_bytes(32))
            first = await told(port, hello)
            assert len(first) == CHALLENGE <= HELLO == len(hello)
            assert await told(port, hello) == b""

    asyncio.run(test())


def test_a_recorded_session_leads_nowhere() -> None:
    """An attacker who has hello, proof and request of a real session: the challenge is another."""

    async def test() -> None:
        recorded: list[bytes] = []
        async with served() as port:
            reader, writer = await asyncio.open_connection(HOME, port)
            write = writer.write

            def record(data: bytes) -> None:
                recorded.append(bytes(data))
                write(data)

            writer.write = record  # type: ignore[method-assign,assignment]
            channel = await call(reader, writer, TOKEN, 30)
            assert channel is not None
            await channel.say({"talks": {"wireguard.data": ["wireguard.data"]}})
            assert "number" in await channel.hear(30)
            writer.transport.abort()
            assert len(recorded) == 3
            assert await told(port, *recorded) == b""
        async with served() as port:  # another process, which has not seen the hello
            assert len(await told(port, *recorded)) == CHALLENGE

    asyncio.run(test())


def test_a_server_without_the_token_is_not_talked_to() -> None:
    async def test() -> None:
        async def fake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(HELLO)
            writer.write(FOREIGN.challenge(bytes(32), bytes(32)))
            writer.close()

        server = await asyncio.start_server(fake, HOME, 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SecretError) as caught:
            await probe(Asking(builtin(), HOME, port), TOKEN, lambda _: None)
        assert caught.value.findings[0].code.name == "E872"
        server.close()

    asyncio.run(test())


def test_what_asks_for_nonsense_is_served_nothing() -> None:
    """Who knows the token may still be broken: addresses are no part of a request."""

    async def test(request: dict[str, object]) -> None:
        async with served() as port:
            reader, writer = await asyncio.open_connection(HOME, port)
            channel = await call(reader, writer, TOKEN, 30)
            assert channel is not None
            await channel.say(request)
            assert (await channel.hear(30))["seen"] == "127.0.0.1"
            await channel.say({"done": True})
            assert not any((await channel.hear(30))["heard"].values())
            writer.transport.abort()

    requests: list[dict[str, object]] = [
        {},
        {"talks": []},
        {"talks": {"wireguard.data": "all"}, "to": "192.0.2.1"},
        {"talks": {"nothing": ["nothing"], "wireguard.data": [{}, None, 7]}},
    ]
    for request in requests:
        asyncio.run(test(request))


class Piped:
    """Two channels that read from queues; a test decides what arrives."""

    def __init__(self) -> None:
        nonces = bytes(32), bytes(32)
        self.sent: list[bytes] = []
        self.reader = asyncio.StreamReader()
        writer = self

        self.client = Channel((self.reader, writer), TOKEN, nonces, client=True)  # type: ignore[arg-type]
        self.server = Channel((self.reader, writer), TOKEN, nonces, client=False)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def drain(self) -> None:
        pass

    async def arrives(self, *data: bytes) -> dict[str, object]:
        for one in data:
            self.reader.feed_data(one)
        self.reader.feed_eof()
        return await self.server.hear(30)


def test_messages_of_a_session_come_once_in_order_and_unchanged() -> None:
    async def test() -> None:
        pipe = Piped()
        for number in range(2):
            await pipe.client.say({"number": number})
        await pipe.server.say({"number": 0})
        first, second, own = pipe.sent
        assert await pipe.arrives(first) == {"number": 0}
        bad = [
            (second,), (own,), (first[:-1] + bytes([first[-1] ^ 1]),), (first[:10],), (),
            (b"\xff\xff\xff\xff" + first,), (first[:5] + b"?" + first[6:],),
        ]  # fmt: skip
        for data in bad:
            with pytest.raises(TransportError) as caught:
                await Piped().arrives(*data)
            assert caught.value.findings[0].code.name == "E876"
        again = Piped()
        again.reader.feed_data(first + first)
        assert await again.server.hear(30) == {"number": 0}
        with pytest.raises(TransportError):
            await again.server.hear(30)

    asyncio.run(test())


def test_many_who_say_nothing_do_not_keep_others_out() -> None:
    """One address holds at most a few connections that have proven nothing."""

    async def test() -> None:
        async with served() as port:
            idle = [await asyncio.open_connection(HOME, port) for _ in range(8)]
            closed = [await asyncio.wait_for(reader.read(), 60) for reader, _ in idle[4:]]
            assert closed == [b""] * 4
            assert not any(reader.at_eof() for reader, _ in idle[:4]), "these may still prove it"
            for _, writer in idle:
                writer.transport.abort()

    asyncio.run(test())


def test_only_so_many_connections_are_looked_at_in_a_second() -> None:
    rate = _Rate(20)
    assert sum(rate.passes(1000.0) for _ in range(100)) == 20
    assert sum(rate.passes(1000.5) for _ in range(100)) == 10
    assert sum(rate.passes(2000.0) for _ in range(100)) == 20


def test_hellos_are_forgotten_in_their_order() -> None:
    seen = Hellos(most=2)
    assert [seen.new(bytes([n])) for n in (1, 1, 2, 3, 3, 1)] == [
        True,
        False,
        True,
        True,
        False,
        True,
    ]


def test_keys_are_not_shown() -> None:
    assert TOKEN.key.hex() not in repr(TOKEN)
    assert repr(TOKEN.key)[2:20] not in repr(TOKEN)
    assert "seed" not in repr(parts(TALKS[0])[0])


def test_both_ends_know_the_same_and_nobody_else() -> None:
    async def test() -> None:
        found: list[Channel | None] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.append(await answer(reader, writer, TOKEN, Hellos()))
            writer.close()

        server = await asyncio.start_server(serve, HOME, 0)
        port = server.sockets[0].getsockname()[1]
        seeds = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection(HOME, port)
            channel = await call(reader, writer, TOKEN, 30)
            await reader.read()
            writer.close()
            assert channel is not None
            theirs = found.pop()
            assert theirs is not None
            assert theirs.seed == channel.seed
            seeds.append(channel.seed)
        assert seeds[0] != seeds[1]
        server.close()

    asyncio.run(test())
