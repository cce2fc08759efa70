"""The server's side of a talk: what must come, byte for byte, and what is said to it. No I/O.

Both ends have the same secret seed, so the server can rehearse the whole exchange alone and knows
beforehand what a client will say. Anything else it does not understand, and does not answer.
Only a NAT helper's protocol may come with other IDs than were sent: there the first message must
be exact, and the later ones must pass the exchange's own checks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.model.protocol import TCP, Flow
from compiler.probe.talks import Talk
from compiler.prove.exchanges import Exchange, Line, Memory, Side

#: A client whose TCP connection stands has sent one packet more than it got (SYN, ACK; SYN-ACK):
#: at least the headers of IPv4 and TCP.
HANDSHAKE = 40
#: So often the same answer is given to a client that repeats itself.
_MOST_ANSWERS = 12


def rehearse(exchange: Exchange, seed: bytes, number: int) -> tuple[bytes, ...]:
    """Give every message of an exchange as it is when nobody on the way changes it."""
    memories = {side: exchange.begin(seed, number) for side in Side}
    messages = []
    for line in exchange.lines:
        message = line.build(memories[line.by])
        line.check(memories[line.by.other], message)
        messages.append(message)
    return tuple(messages)


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the client, its bytes, and the server's lines that follow it on the same flow."""

    line: Line
    expected: bytes
    answers: tuple[Line, ...]


def steps(talk: Talk, flow: Flow, messages: tuple[bytes, ...]) -> tuple[Step, ...]:
    """Give the steps of one flow of a talk. Every flow begins with its client."""
    found: list[Step] = []
    for line, message in zip(talk.exchange.lines, messages, strict=True):
        if line.flow != flow.id:
            continue
        if line.by is Side.CLIENT:
            found.append(Step(line, message, ()))
        else:
            last = found.pop()
            found.append(Step(last.line, last.expected, (*last.answers, line)))
    return tuple(found)


@dataclass(slots=True)
class Part:
    """One flow of a talk, as the server plays it. ``memory`` is shared by the flows of a talk.

    At no time has more been sent than was received: an answer that is longer than what it answers
    waits until the client has repeated itself.
    """

    talk: Talk
    flow: Flow
    steps: tuple[Step, ...]
    memory: Memory = field(repr=False)
    heard: int = 0
    wrong: str = ""
    peer: int = -1
    received: int = 0
    sent: int = 0
    _last: bytes = field(default=b"", repr=False)
    _answers: tuple[bytes, ...] = field(default=(), repr=False)
    _given: int = 0

    def __post_init__(self) -> None:
        if self.flow.layer4 == TCP:
            self.received = HANDSHAKE

    @property
    def wanted(self) -> int:
        """The size of the client's next message; 0 when it has said everything."""
        return len(self.steps[self.heard].expected) if self.heard < len(self.steps) else 0

    @property
    def lacks_only_the_unanswered(self) -> bool:
        """Tell whether only messages that get no answer are to come: they may be on their way."""
        rest = self.steps[self.heard :]
        return bool(self.heard and rest) and not any(step.answers for step in rest)

    def begins(self, data: bytes) -> bool:
        """Tell whether a client that has said nothing yet may be about to say this."""
        return not self.heard and self.steps[0].expected.startswith(data)

    def hear(self, message: bytes, port: int = 0) -> tuple[bytes, ...] | None:
        """Take a message from the client's address and port; what to answer now.

        Nothing at all (``None``) says that the message is not one of this flow.
        """
        if self.heard and port != self.peer:
            return None
        if self.heard and message == self._last:
            self.received += len(message)
            return self._answer()
        if not self._fits(message):
            return None
        step = self.steps[self.heard]
        self.heard, self.peer, self._last = self.heard + 1, port, message
        self.received += len(message)
        self._answers, self._given = tuple(one.build(self.memory) for one in step.answers), 0
        return self._answer()

    def _fits(self, message: bytes) -> bool:
        if len(message) != self.wanted or not message:
            return False
        step = self.steps[self.heard]
        helped = self.flow.helper is not None and (self.heard > 0 or self.flow.carried)
        if message != step.expected and not helped:
            return False
        trial = dict(self.memory)
        wrong = step.line.check(trial, message)
        if wrong:
            self.wrong = wrong
            return False
        self.memory.update(trial)
        return True

    def _answer(self) -> tuple[bytes, ...]:
        size = sum(map(len, self._answers))
        if self.sent + size > self.received or self._given >= _MOST_ANSWERS:
            return ()
        self._given += 1
        self.sent += size
        return self._answers


def parts_of(talk: Talk, flows: tuple[Flow, ...], session: bytes, number: int) -> tuple[Part, ...]:
    """Give the server's parts of a talk with one client, whose number is its own."""
    seed = talk.seed(session)
    messages = rehearse(talk.exchange, seed, number)
    memory = talk.exchange.begin(seed, number)
    return tuple(Part(talk, flow, steps(talk, flow, messages), memory) for flow in flows)
