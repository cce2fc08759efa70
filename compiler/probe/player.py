"""The client's side of a talk: says its lines, repeats itself where packets may be lost."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from compiler.model.protocol import TCP, Flow
from compiler.probe.script import HANDSHAKE, rehearse
from compiler.probe.talks import Talk
from compiler.probe.wire import (
    LARGEST,
    Name,
    content,
    family_of,
    is_raw,
    opened,
    trouble,
    with_port,
    words,
)
from compiler.prove.exchanges import Line, Memory, Side

#: Before the time for an answer is over, a client says the same so many times.
_TRIES = 5
#: So often it says what gets no answer.
_UNANSWERED = 3
#: Reasons of this machine, not of the router.
_OUR_OWN = {errno.EPERM, errno.EACCES, errno.ENETUNREACH, errno.EADDRNOTAVAIL}
#: What messages of ICMP become.
_FROM_THE_WAY = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EPROTO, errno.ENOPROTOOPT}


@dataclass(slots=True)
class Said:
    """How far one flow got, as its client saw it."""

    said: int = 0
    heard: int = 0
    asked: int = 0
    answers: int = 0
    port: int = 0
    over: bool = False
    trouble: str = ""
    remark: str = ""
    not_tried: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether every answer came, and everything was said."""
        return (self.said, self.heard) == (self.asked, self.answers)


@dataclass(slots=True)
class _Wire:
    """One flow's socket."""

    flow: Flow
    made: socket.socket
    remote: Name
    seconds: float
    last: bytes = b""
    copies: int = 1
    accepted: set[bytes] = field(default_factory=set)

    @property
    def datagrams(self) -> bool:
        return self.flow.layer4 != TCP

    async def connect(self) -> None:
        if self.datagrams:
            self.made.connect(self.remote)
            return
        async with asyncio.timeout(self.seconds):
            await asyncio.get_running_loop().sock_connect(self.made, self.remote)

    async def say(self, message: bytes, copies: int) -> None:
        self.last, self.copies = message, copies if self.datagrams else 1
        await self._repeat()

    async def _repeat(self) -> None:
        """Send; an error that a packet before has caused is not about this one."""
        for _ in range(self.copies):
            try:
                await self._send()
            except OSError as error:
                if not self.datagrams or error.errno not in _FROM_THE_WAY:
                    raise
                await self._send()

    async def _send(self) -> None:
        await asyncio.get_running_loop().sock_sendall(self.made, self.last)

    async def hear(self, line: Line, memory: Memory, size: int, told: Said) -> bool:
        """Wait for a line; remember what it teaches. What is not it is passed over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                while True:
                    heard = await self._next(size, told)
                    if not heard:
                        return False
                    trial = dict(memory)
                    wrong = line.check(trial, heard)
                    if not wrong:
                        memory.update(trial)
                        self.accepted.add(heard)
                        return True
                    if heard not in self.accepted:
                        told.trouble = f"changed on the way: {wrong}"
                    if not self.datagrams:
                        return False
        return False

    async def _next(self, size: int, told: Said) -> bytes:
        """Give the next message; of a stream, as many bytes; nothing where a stream has ended."""
        loop = asyncio.get_running_loop()
        if not self.datagrams:
            data = b""
            while len(data) < size:
                more = await loop.sock_recv(self.made, size - len(data))
                if not more:
                    told.trouble = "closed before the answer"
                    return b""
                data += more
            return data
        while True:
            try:
                async with asyncio.timeout(self.seconds / _TRIES):
                    packet = await loop.sock_recv(self.made, LARGEST)
                return content(family_of(self.remote), self.flow.layer4, packet)
            except TimeoutError:
                await self._repeat()
            except OSError as error:
                if error.errno not in _FROM_THE_WAY:
                    raise
                told.trouble = trouble(error)  # anybody can send such a message: wait on


class Player:
    """Plays one talk as its client."""

    def __init__(
        self,
        talk: Talk,
        ends: tuple[Name, Name],
        secret: tuple[bytes, int],
        seconds: float,
        taken: set[int],
    ) -> None:
        """Prepare; ``ends`` are this machine's address and the server's.

        ``secret`` are the session's seed and number; ``taken`` are ports that clients insist on and
        another player has.
        """
        seed, number = secret
        self._taken = taken
        self._talk, self._ends, self._seconds = talk, ends, seconds
        own = talk.seed(seed)
        self._messages = rehearse(talk.exchange, own, number)
        self._memory = talk.exchange.begin(own, number)
        self._wires: dict[str, _Wire] = {}
        self.told = {flow.id: self._nothing_said(flow) for flow in talk.flows}

    def _nothing_said(self, flow: Flow) -> Said:
        sides = [line.by for line in self._talk.exchange.lines if line.flow == flow.id]
        return Said(asked=sides.count(Side.CLIENT), answers=sides.count(Side.SERVER))

    def leave_out(self, flow: str, reason: str) -> None:
        """Do not try a flow. Without the flow that brings them along, others are not tried too."""
        self.told[flow].over, self.told[flow].not_tried = True, reason
        self._leave_out_carried(flow)

    def _leave_out_carried(self, flow: str) -> None:
        leading = next(one for one in self._talk.flows if one.id == flow)
        for other in () if leading.carried else self._talk.flows:
            told = self.told[other.id]
            if other.carried and not told.over and not told.said:
                told.over, told.not_tried = True, f"comes only after {self._talk.packets(leading)}"

    def open(self) -> None:
        """Open the sockets; what cannot be had is left out."""
        for flow in self._talk.flows:
            if not self.told[flow.id].over:
                try:
                    self._open(flow)
                except OSError as error:
                    self.leave_out(flow.id, words(error, self._talk.place(flow), "at the client"))

    def _open(self, flow: Flow) -> None:
        """Open a socket, on the port that clients insist on if it can be had."""
        local, remote = self._ends
        place = self._talk.place(flow)
        insisted = 0 if is_raw(flow.layer4) else self._talk.exchange.source_port
        try:
            made = opened(place, local, 0 if insisted in self._taken else insisted)
        except OSError as error:
            if not insisted:
                raise
            made = opened(place, local, 0)
            why = words(error, (flow.layer4, insisted), "at the client")
            self.told[flow.id].remark = f"from port {made.getsockname()[1]}: {why}"
        if insisted:
            self._taken.add(insisted)
        self._wires[flow.id] = _Wire(flow, made, with_port(remote, place[1]), self._seconds)
        self.told[flow.id].port = 0 if is_raw(flow.layer4) else made.getsockname()[1]

    async def play(self) -> None:
        """Say everything and hear everything, as far as it gets."""
        try:
            for flow in self._talk.flows:
                await self._connect(flow.id)
            for index, line in enumerate(self._talk.exchange.lines):
                told = self.told.get(line.flow)
                if told is not None and not told.over:
                    await self._line(index, line, told)
        finally:
            self.close()

    async def _connect(self, flow: str) -> None:
        told = self.told[flow]
        if told.over:
            return
        try:
            await self._wires[flow].connect()
        except TimeoutError:
            self._end(flow, "no connection")
        except OSError as error:
            self._failed(flow, error)

    async def _line(self, index: int, line: Line, told: Said) -> None:
        wire = self._wires[line.flow]
        try:
            if line.by is Side.CLIENT:
                await wire.say(line.build(self._memory), self._copies(index, line))
                told.said += 1
                return
            if await wire.hear(line, self._memory, len(self._messages[index]), told):
                told.heard += 1
                told.trouble = ""
                return
            self._end(line.flow, told.trouble)
        except OSError as error:
            self._failed(line.flow, error)

    def _copies(self, index: int, line: Line) -> int:
        """Say how often: what is answered must not be shorter than what was said so far."""
        own = other = answered = 0
        for number, one in enumerate(self._talk.exchange.lines):
            if one.flow != line.flow:
                continue
            if number > index and one.by is Side.CLIENT:
                break
            size = len(self._messages[number])
            if one.by is Side.CLIENT:
                own += size if number < index else 0
            else:
                other += size
                answered += number > index
        if not answered:
            return _UNANSWERED
        missing = other - own - (HANDSHAKE if self._wires[line.flow].flow.layer4 == TCP else 0)
        return max(1, -(-missing // len(self._messages[index])))

    def _failed(self, flow: str, error: OSError) -> None:
        told = self.told[flow]
        if error.errno in _OUR_OWN and not told.said:
            local = error.errno in (errno.EPERM, errno.EACCES)
            reason = "this machine's own firewall forbids it" if local else trouble(error)
            self.leave_out(flow, reason)
        else:
            self._end(flow, trouble(error))

    def _end(self, flow: str, why: str) -> None:
        """Go on without a flow. What comes only after it cannot come, if it did not come up."""
        told = self.told[flow]
        told.over, told.trouble = True, why
        if told.heard < told.answers:
            self._leave_out_carried(flow)

    def close(self) -> None:
        """Close the sockets."""
        for wire in self._wires.values():
            wire.made.close()
