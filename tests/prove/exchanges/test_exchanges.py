"""Every exchange, played by both of its sides over lists and queues instead of a network."""

from __future__ import annotations

import threading
from queue import Empty, Queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.catalogue import builtin
from compiler.model.protocol import UDP, Flow, PortRange
from compiler.prove.exchanges import EXCHANGES, Exchange, Line, Memory, Side, exchanges_of, plain
from compiler.prove.exchanges.plain import sample
from compiler.prove.exchanges.pptp import CLIENT_CALL, PPTP

EVERY = pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.id)


def overheard(exchange: Exchange, number: int = 0) -> list[tuple[Line, bytes, Memory]]:
    """Let both sides talk; every message with what its listener knew when it came."""
    memories = {side: exchange.begin(b"seed", number) for side in Side}
    found = []
    for line in exchange.lines:
        message = line.build(memories[line.by])
        listener = memories[line.by.other]
        found.append((line, message, dict(listener)))
        assert line.check(listener, message) == "", line.says
    return found


@EVERY
def test_both_sides_understand_one_another(exchange: Exchange) -> None:
    messages = overheard(exchange)
    assert {line.flow for line, _, _ in messages} == set(exchange.flows)
    assert messages[0][0].by is Side.CLIENT
    if exchange.id != "tailscale.stun":
        assert {line.by for line in exchange.data or exchange.opening} == set(Side)


@EVERY
def test_talks_differ_and_are_the_same_in_every_run(exchange: Exchange) -> None:
    def said(number: int) -> list[bytes]:
        return [message for _, message, _ in overheard(exchange, number)]

    assert said(1) == said(1)
    assert said(1) != said(2)


@EVERY
def test_a_message_cut_short_is_noticed(exchange: Exchange) -> None:
    for line, message, known in overheard(exchange):
        assert line.check(dict(known), message[:-1]), line.says
        assert line.check(dict(known), message[: len(message) // 3]), line.says
        assert line.check(dict(known), b""), line.says


@EVERY
@given(noise=st.binary(max_size=80))
def test_no_bytes_break_a_listener(exchange: Exchange, noise: bytes) -> None:
    for line, message, known in overheard(exchange):
        for heard in (noise, message[: len(noise)] + noise):
            assert isinstance(line.check(dict(known), heard), str)


def test_the_answer_to_another_talk_is_not_taken() -> None:
    """A NAT that mixes two clients up must not look like one that works."""
    for exchange in EXCHANGES:
        mine, other = overheard(exchange, 1), overheard(exchange, 2)
        answers = [n for n, (line, _, _) in enumerate(mine) if line.by is Side.SERVER]
        wrong = [mine[n][0].check(dict(mine[n][2]), other[n][1]) for n in answers]
        assert any(wrong) or not answers, exchange.id


def test_clients_of_pptp_choose_one_call_id_and_servers_do_not() -> None:
    first, second = ([m for _, m, _ in overheard(PPTP, number)] for number in (1, 2))
    assert first[2][12:14] == second[2][12:14] == CLIENT_CALL
    assert first[3][12:14] != second[3][12:14]


def test_pptp_notices_a_call_id_that_is_not_its_own() -> None:
    for line, message, known in overheard(PPTP):
        if line.flow == "pptp.data":
            changed = message[:6] + b"\x12\x34" + message[8:]
            assert "call ID" in line.check(dict(known), changed)


def test_every_flow_of_the_catalogue_has_an_exchange() -> None:
    known = {flow for exchange in EXCHANGES for flow in exchange.flows}
    flows = {flow.id for protocol in builtin().protocols.values() for flow in protocol.flows}
    assert flows == known


def test_first_messages_have_the_signatures_of_the_catalogue() -> None:
    seen = set()
    for protocol in builtin().protocols.values():
        for flow in protocol.flows:
            (exchange,) = exchanges_of([flow])
            first = overheard(exchange)[0][1]
            if flow.signature is not None:
                assert flow.signature.holds(first), flow.id
                seen.add(flow.id)
            elif protocol.signatures and flow.layer4 == UDP and not flow.shared:
                messages = [message for _, message, _ in overheard(exchange)]
                assert any(s.holds(m) for _, s in protocol.signatures for m in messages), flow.id
                seen.add(flow.id)
    assert {"ikev1.ike", "ikev2.natt", "wireguard.data", "openvpn.udp", "nebula.data"} <= seen


def test_a_flow_of_a_user_is_made_from_its_data() -> None:
    flow = Flow("mine.udp", "mine", UDP, (PortRange(5000, 5000),))
    (exchange,) = exchanges_of([flow])
    assert exchange.flows == ("mine.udp",)
    assert len(overheard(exchange)) == 2
    for protocol in builtin().protocols.values():
        for layer4, signature in protocol.signatures:
            hidden = Flow("x.y", "x", layer4, signature=signature)
            assert overheard(plain(hidden))[0][1] == sample(signature)
            assert signature.holds(sample(signature))


class Wire:
    """One end of two queues for each flow."""

    def __init__(self, out: Queue[tuple[str, bytes]], back: Queue[tuple[str, bytes]]) -> None:
        self._out, self._back = out, back

    def send(self, flow: str, message: bytes) -> None:
        self._out.put((flow, message))

    def receive(self, flow: str) -> bytes | None:
        try:
            came, message = self._back.get(timeout=5)
        except Empty:
            return None
        return message if came == flow else None


@EVERY
def test_two_machines_play_it_over_any_transport(exchange: Exchange) -> None:
    there: Queue[tuple[str, bytes]] = Queue()
    here: Queue[tuple[str, bytes]] = Queue()
    heard = []
    server = threading.Thread(
        target=lambda: heard.append(exchange.server(Wire(here, there), exchange.begin(b"s")))
    )
    server.start()
    found = exchange.client(Wire(there, here), exchange.begin(b"s"))
    server.join()
    assert found.whole
    assert heard[0].whole


def test_silence_is_told() -> None:
    class Silent:
        def send(self, flow: str, message: bytes) -> None:
            pass

        def receive(self, flow: str) -> bytes | None:
            del flow
            return None

    found = PPTP.client(Silent(), PPTP.begin())
    assert not found.whole
    assert found.wrong == "no Start-Control-Connection-Reply"
