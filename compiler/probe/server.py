"""The end outside: ``passthru probe serve``."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from compiler.catalogue import Catalogue
from compiler.errors import PassthruError, ProofError
from compiler.model.finding import Code
from compiler.probe.desk import Desk, Guest
from compiler.probe.doors import Doors
from compiler.probe.script import Part, parts_of
from compiler.probe.session import Channel, Hellos, Token, answer
from compiler.probe.talks import Place, Talk, talks_of
from compiler.probe.wire import Name, family_of, host_of, opened, trouble, with_port, words

#: For the handshake, for the request, and for the whole session.
_HANDSHAKE, _REQUEST, _SESSION = 5.0, 10.0, 180.0
#: Connections that have not proven anything yet, and new ones in a second.
_MOST_UNKNOWN, _MOST_OF_ONE, _RATE = 16, 4, 20
#: Messages that get no answer may still be on their way when their client is done.
_LATE, _TICK = 2.0, 0.05
_BUSY = "busy"
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served to whom: addresses for the control session, protocols, clients at once."""

    catalogue: Catalogue
    port: int
    addresses: tuple[str, ...]
    protocols: Collection[str] = ()
    clients: int = 4
    once: bool = False


class _Rate:
    """Lets so many pass in a second."""

    def __init__(self, rate: float) -> None:
        self._rate = self._left = rate
        self._at = 0.0

    def passes(self, now: float) -> bool:
        self._left = min(self._rate, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Server:
    """Serves clients that know the token, each a session at a time."""

    def __init__(self, serving: Serving, token: Token, say: Callable[[str], None]) -> None:
        """Prepare; ``say`` tells the operator what happens."""
        self._serving, self._token, self._say = serving, token, say
        self._hellos, self._rate = Hellos(), _Rate(_RATE)
        self._desk = Desk()
        self._unknown: dict[str, int] = {}
        self._sessions: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._doors = Doors(self._desk)

    async def serve(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until the task is cancelled, SIGTERM comes or, with ``once``, a client was served.

        ``ready`` is called when clients may come.

        Raises:
            ProofError: E877, the control session's port cannot be had.
        """
        listeners = self._listeners()
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, ValueError, RuntimeError):  # only in main threads
            loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        servers = [
            await asyncio.start_server(self._visit, sock=one, limit=1 << 16) for one in listeners
        ]
        try:
            ready()
            await self._ended.wait()
        finally:
            for server in servers:
                server.close()
            for task in self._sessions:
                task.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)
            self._doors.close()

    def _listeners(self) -> list[socket.socket]:
        """Listen at all addresses; a family that the system lacks is left out."""
        made: list[socket.socket] = []
        lacks: list[str] = []
        for address in self._serving.addresses:
            try:
                made.append(_listener(address, self._serving.port))
            except (OSError, UnicodeError) as error:
                what = trouble(error) if isinstance(error, OSError) else "not an address"
                lacks.append(f"{address}, tcp/{self._serving.port}: {what}")
                if not isinstance(error, OSError) or error.errno not in _NO_SUCH_FAMILY:
                    break
        else:
            if made:
                return made
        for one in made:
            one.close()
        raise ProofError.of(Code.E877, f"the control session cannot be served at {lacks[-1]}")

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection. Whatever comes on it, the others do not notice."""
        now = asyncio.get_running_loop().time()
        address = host_of(writer.get_extra_info("peername") or ("",))
        many = sum(self._unknown.values()) >= _MOST_UNKNOWN
        if many or self._unknown.get(address, 0) >= _MOST_OF_ONE or not self._rate.passes(now):
            writer.transport.abort()
            return
        task = asyncio.current_task()
        if task is not None:
            self._sessions.add(task)
        try:
            channel = await self._known(reader, writer, address)
            if channel is not None:
                async with asyncio.timeout(_SESSION):
                    await self._receive(channel, writer)
        except (OSError, EOFError, TimeoutError, ValueError, PassthruError):
            pass  # the client has gone, or is none; its own end says why
        except asyncio.CancelledError:
            pass  # nobody awaits this task but the one who cancels it, and streams would complain
        finally:
            writer.transport.abort()
            if task is not None:
                self._sessions.discard(task)

    async def _known(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> Channel | None:
        self._unknown[address] = self._unknown.get(address, 0) + 1
        try:
            async with asyncio.timeout(_HANDSHAKE):
                return await answer(reader, writer, self._token, self._hellos)
        finally:
            self._unknown[address] -= 1
            if not self._unknown[address]:
                del self._unknown[address]

    async def _receive(self, channel: Channel, writer: asyncio.StreamWriter) -> None:
        """Serve a client that knows the token."""
        local, peer = (writer.get_extra_info(name) for name in ("sockname", "peername"))
        asked = await channel.hear(_REQUEST)
        if len(self._desk.guests) >= self._serving.clients:
            await channel.say({"refused": _BUSY})
            await _gone(channel)
            return
        guest = Guest(host_of(peer), self._desk.number())
        talks = {
            t.id: t
            for t in talks_of(self._serving.catalogue, family_of(local), self._serving.protocols)
        }
        wanted = _wanted(asked, talks)
        places = {
            talk.place(flow) for talk, flows in wanted for flow in flows if flow in talk.flows
        }
        self._desk.guests.append(guest)
        local = with_port(local, 0)
        try:
            refused = self._doors.open(local, places)
            guest.parts = tuple(_parts(wanted, refused, channel.seed, guest.number))
            self._say(f"{guest.address}: flows to try: {len(guest.parts)}")
            await channel.say(
                {
                    "number": guest.number,
                    "seen": guest.address,
                    "port": peer[1],
                    "cannot": _cannot(asked, talks, refused),
                }
            )
            await channel.hear(_SESSION)
            await _late(guest)
            await channel.say({"heard": _heard(guest)})
            await _gone(channel)
            heard = sum(part.heard == len(part.steps) for part in guest.parts)
            self._say(f"{guest.address}: {heard} of {len(guest.parts)} flows came through whole")
        finally:
            self._desk.guests.remove(guest)
            self._doors.leave(local, places, guest.address)
            if self._serving.once:
                self._ended.set()


#: All addresses of a machine, of each family.
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a server does; nobody without the token is answered


def _resolved(address: str, port: int) -> tuple[int, Name]:
    """Read an address, no name."""
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    kind, _, _, _, name = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)[0]
    return kind, name


def _listener(address: str, port: int) -> socket.socket:
    kind, name = _resolved(address, port)
    made = socket.socket(kind, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(name)
        made.listen(_MOST_UNKNOWN)
    except BaseException:
        made.close()
        raise
    return made


def unavailable(serving: Serving) -> dict[Place, str]:
    """Try every place once: which cannot be served here, and why. Nothing stays open."""
    try:
        local: Name = _resolved(serving.addresses[0], 0)[1]
    except (OSError, UnicodeError):
        return {}  # serving itself will say so
    found: dict[Place, str] = {}
    for talk in talks_of(serving.catalogue, family_of(local), serving.protocols):
        for place in {talk.place(flow) for flow in talk.flows}:
            try:
                opened(place, local, place[1]).close()
            except OSError as error:
                found[place] = words(error, place, "here")
    return found


def _wanted(
    asked: Mapping[str, Any], talks: Mapping[str, Talk]
) -> list[tuple[Talk, tuple[Any, ...]]]:
    """Read a request: names of talks and their flows, nothing else; unknown ones are left out."""
    named = asked.get("talks")
    if not isinstance(named, dict):
        return []
    found = []
    for name, talk in talks.items():
        flows = named.get(name)
        if isinstance(flows, list):
            found.append((talk, tuple(flow for flow in talk.flows if flow.id in flows)))
    return found


def _parts(
    wanted: Iterable[tuple[Talk, tuple[Any, ...]]],
    refused: Mapping[Place, str],
    seed: bytes,
    number: int,
) -> Iterable[Part]:
    for talk, flows in wanted:
        possible = tuple(flow for flow in flows if talk.place(flow) not in refused)
        yield from parts_of(talk, possible, seed, number)


def _cannot(
    asked: Mapping[str, Any], talks: Mapping[str, Talk], refused: Mapping[Place, str]
) -> dict[str, dict[str, str]]:
    """Say what was asked for and cannot be tried."""
    named = asked.get("talks")
    found: dict[str, dict[str, str]] = {}
    for name in named if isinstance(named, dict) else ():
        talk = talks.get(name)
        if talk is None:
            found[name] = {"": "the server does not serve it"}
            continue
        reasons = {flow.id: refused.get(talk.place(flow), "") for flow in talk.flows}
        found[name] = {flow: reason for flow, reason in reasons.items() if reason}
    return found


def _heard(guest: Guest) -> dict[str, dict[str, dict[str, Any]]]:
    """Say what came of every flow."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for part in guest.parts:
        place = part.talk.place(part.flow)
        found.setdefault(part.talk.id, {})[part.flow.id] = {
            "heard": part.heard,
            "port": max(part.peer, 0),
            "wrong": part.wrong,
            "strays": guest.strays.get(place, 0),
            "elsewhere": guest.elsewhere.get(place, ""),
        }
    return found


async def _late(guest: Guest) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LATE):
            # what changes it are packets, which nobody should have to report to
            while any(part.lacks_only_the_unanswered for part in guest.parts):  # noqa: ASYNC110
                await asyncio.sleep(_TICK)


async def _gone(channel: Channel) -> None:
    """Wait until the client has read its answer and closed: an abort would throw it away."""
    with suppress(PassthruError):
        await channel.hear(_REQUEST)
