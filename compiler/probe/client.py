"""The end behind the router: ``passthru probe run HOST``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from compiler.catalogue import Catalogue
from compiler.errors import PassthruError, SecretError, TransportError
from compiler.model.finding import Code
from compiler.model.protocol import PORTED, Family, Flow
from compiler.probe.player import Player, Said
from compiler.probe.result import FlowResult, Result, State, Way
from compiler.probe.session import Channel, Token, call
from compiler.probe.talks import Talk, talks_of
from compiler.probe.wire import Name, family_of, host_of, trouble, with_port

_KINDS = {socket.AF_INET: Family.IPV4, socket.AF_INET6: Family.IPV6}
#: To reach the server, and for its answers.
_CONNECT, _ANSWER = 8.0, 20.0
_NEVER_SEEN = "no packet reaches the server"
_NO_ANSWER = "the server's answers do not come back"


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked of whom. No family named: every one in which the server has an address."""

    catalogue: Catalogue
    host: str
    port: int
    family: Family | None = None
    protocols: Collection[str] = ()
    seconds: float = 3.0


async def probe(asking: Asking, token: Token, say: Callable[[str], None]) -> Result:
    """Try everything; ``say`` tells how far it is.

    Raises:
        TransportError: E871, the server is not reached in any family; E876, the session broke off.
        SecretError: E872, the server does not answer to this token.
    """
    ways: list[Way] = []
    flows: list[FlowResult] = []
    failed: list[PassthruError] = []
    for name in await _names(asking):
        try:
            way, found = await _Session(asking, token, name, say).run()
        except TransportError as error:
            if error.findings[0].code is not Code.E871:
                raise
            say(f"{family_of(name)}: {error.findings[0].message}")
            failed.append(error)
            continue
        ways.append(way)
        flows += found
    if not ways:
        raise TransportError([finding for error in failed for finding in error.findings])
    return Result(tuple(ways), tuple(flows))


async def _names(asking: Asking) -> tuple[Name, ...]:
    """Find the server's addresses: the first of each family."""
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(asking.host, asking.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = trouble(error) if isinstance(error, OSError) else "this cannot be a name"
        raise _unreached(asking, why) from None
    found: dict[Family, Name] = {}
    for kind, _, _, _, name in infos:
        family = _KINDS.get(kind)
        if family is not None and asking.family in (None, family):
            found.setdefault(family, name)
    if not found:
        raise _unreached(asking, f"it has no {asking.family or 'IP'} address")
    return tuple(found.values())


def _unreached(asking: Asking, why: str) -> TransportError:
    return TransportError.of(
        Code.E871,
        f"'{asking.host}' is not reached on tcp/{asking.port}: {why}",
        hint="is `passthru probe serve` running there, and does a firewall let this port in?",
    )


class _Session:
    """The probe of one family."""

    def __init__(
        self, asking: Asking, token: Token, name: Name, say: Callable[[str], None]
    ) -> None:
        self._asking, self._token, self._name, self._say = asking, token, name, say
        self._family = family_of(name)

    async def run(self) -> tuple[Way, list[FlowResult]]:
        talks = talks_of(self._asking.catalogue, self._family, self._asking.protocols)
        async with self._control() as (channel, local):
            asked = {talk.id: [flow.id for flow in talk.flows] for talk in talks}
            await channel.say({"talks": asked})
            answer = await channel.hear(_ANSWER)
            if answer.get("refused"):
                raise TransportError.of(
                    Code.E871,
                    f"'{self._asking.host}' serves as many clients as it may",
                    hint="try again",
                )
            seen, number, cannot = _understood(answer)
            ends = (with_port(local, 0), self._name)
            secret, taken = (channel.seed, number), set[int]()
            players = {
                talk.id: Player(talk, ends, secret, self._asking.seconds, taken) for talk in talks
            }
            for talk in talks:
                _leave_out(talk, players[talk.id], cannot.get(talk.id, {}))
            await self._play(talks, players)
            await channel.say({"done": True})
            heard = _mapping((await channel.hear(_ANSWER)).get("heard"))
        way = Way(self._family.value, host_of(local), seen, host_of(self._name))
        flows = [
            one
            for talk in talks
            for one in self._judged(talk, players[talk.id].told, _mapping(heard.get(talk.id)), way)
        ]
        return way, flows

    @asynccontextmanager
    async def _control(self) -> AsyncIterator[tuple[Channel, Name]]:
        """Open the control session."""
        loop = asyncio.get_running_loop()
        kind = socket.AF_INET if self._family is Family.IPV4 else socket.AF_INET6
        made = socket.socket(kind, socket.SOCK_STREAM)
        made.setblocking(False)  # noqa: FBT003 - the standard library's
        try:
            async with asyncio.timeout(_CONNECT):
                await loop.sock_connect(made, self._name)
        except (OSError, TimeoutError) as error:
            made.close()
            why = "no answer" if isinstance(error, TimeoutError) else trouble(error)
            raise _unreached(self._asking, f"{why} ({self._family})") from None
        except BaseException:
            made.close()
            raise
        local: Name = made.getsockname()
        reader, writer = await asyncio.open_connection(sock=made)
        try:
            channel = await self._known(reader, writer)
            yield channel, local
        finally:
            writer.transport.abort()

    async def _known(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Channel:
        try:
            channel = await call(reader, writer, self._token, _ANSWER)
        except (OSError, TimeoutError):
            channel = None
        if channel is None:
            raise SecretError.of(
                Code.E872,
                f"'{self._asking.host}' does not answer on tcp/{self._asking.port} to this token",
                hint="another token, a flooded server, or something else that listens there",
            )
        return channel

    async def _play(self, talks: tuple[Talk, ...], players: Mapping[str, Player]) -> None:
        """Play what has ports first: routers let some packets without ports follow it."""
        for ported in (True, False):
            wave = [players[talk.id] for talk in talks if talk.ported is ported]
            try:
                for player in wave:  # all at first, so that each port is given to one only
                    player.open()
                self._say(
                    f"{self._family}: exchanges with{'' if ported else 'out'} ports ({len(wave)})"
                )
                await asyncio.gather(*(player.play() for player in wave))
            finally:
                for player in wave:
                    player.close()

    def _judged(
        self, talk: Talk, told: Mapping[str, Said], heard: Mapping[str, Any], way: Way
    ) -> Iterator[FlowResult]:
        for flow in talk.flows:
            said = told[flow.id]
            report = _mapping(heard.get(flow.id))
            state, lost, why = judged(said, report)
            if state is State.PASSED:
                why = self._remark(talk, flow, said, report, way)
            yield FlowResult(
                flow.protocol, flow.id, self._family.value, talk.packets(flow), state, why, lost,
                flow.carried, flow.layer4 not in PORTED, said.port, _number(report.get("port")),
            )  # fmt: skip

    def _remark(
        self, talk: Talk, flow: Flow, said: Said, report: Mapping[str, Any], way: Way
    ) -> str:
        protocol = self._asking.catalogue.protocols.get(flow.protocol)
        if way.translated and protocol is not None and protocol.nat4 == "impossible":
            return "arrives, but cannot work behind NAT"
        seen, insisted = _number(report.get("port")), talk.exchange.source_port
        if said.port == insisted and seen not in (0, insisted):
            return f"source port {insisted} becomes {seen}"
        return said.remark


def _leave_out(talk: Talk, player: Player, cannot: Mapping[str, Any]) -> None:
    """Do not try what the server says it cannot serve."""
    for flow in talk.flows:
        reason = cannot.get(flow.id) or cannot.get("")
        if reason and not player.told[flow.id].over:
            player.leave_out(flow.id, str(reason)[:100])


def judged(said: Said, report: Mapping[str, Any]) -> tuple[State, str, str]:
    """Hold what a client saw against what the server heard: state, where it was lost, and why."""
    if said.not_tried:
        return State.NOT_TRIED, "", said.not_tried
    heard = _number(report.get("heard"))
    if said.whole and heard == said.asked:
        return State.PASSED, "", ""
    lost, why = _lost(said, report, heard)
    return State.LOST, lost, why


def _lost(said: Said, report: Mapping[str, Any], heard: int) -> tuple[str, str]:
    """Say on which way a flow was lost, and why."""
    elsewhere, wrong = report.get("elsewhere"), report.get("wrong")
    after = f" after {heard} messages" if heard > 1 else ""
    tail = f" ({said.trouble})" if said.trouble else ""
    cases = (
        (said.trouble.startswith("changed"), "back", said.trouble),
        (wrong, "out", f"changed on the way: {str(wrong)[:200]}"),
        (elsewhere, "out", f"comes from {str(elsewhere)[:60]}: the router has several addresses"),
        (heard and heard >= said.said, "back", f"{_NO_ANSWER}{after}{tail}"),
        (heard, "out", f"nothing more reaches the server{after}{tail}"),
        (report.get("strays"), "out", f"what reaches the server is not what was sent{tail}"),
    )
    known = next(((lost, why) for case, lost, why in cases if case), None)
    return known or ("out", said.trouble or _NEVER_SEEN)


def _understood(answer: Mapping[str, Any]) -> tuple[str, int, dict[str, Mapping[str, Any]]]:
    """Read the server's answer; it knows the token, and may still be of another version."""
    number, seen = answer.get("number"), answer.get("seen")
    if not isinstance(number, int) or not 0 <= number < 4096 or not isinstance(seen, str):
        raise TransportError.of(
            Code.E876, "the probe's session broke off: an answer cannot be used"
        )
    cannot = {name: _mapping(found) for name, found in _mapping(answer.get("cannot")).items()}
    return seen[:60], number, cannot


def _mapping(data: Any) -> Mapping[str, Any]:
    return data if isinstance(data, dict) else {}


def _number(data: Any) -> int:
    return data if isinstance(data, int) else 0
