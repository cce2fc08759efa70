"""Where a packet was lost: the router's kernel tells what each rule did to it.

A table of ours marks every packet for tracing (``meta nftrace``) and is the first and the last to
see it on each hook, so its own lines in ``nft monitor trace`` say how far the packet came. The
name of a packet is the lab's token, in the IPv4 identification or the IPv6 flow label.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle

from compiler.errors import ProofError
from compiler.model.finding import Code
from compiler.prove.lab import Lab, Packet

TABLE = "passthru_trace"
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
#: Before connection tracking and everything else, and after everything else.
_FIRST, _LAST = -450, 2000
_RULES = "table inet {table} {{\n{chains}\n}}\n"
_CHAIN = (
    "chain {hook}_{name} {{ type filter hook {hook} priority {priority}; policy accept;"
    " meta nftrace set 1; }}"
)
#: Tokens that the lab never gives.
_MARKS = range(0xFFF1, 0xFFFF)
_SECONDS = 30
_LINE = re.compile(
    r"trace id (?P<id>[0-9a-f]+) (?P<family>\S+) (?P<table>\S+) (?P<chain>\S+) (?P<rest>.*)"
)
_TOKEN = re.compile(r"\bip id (\d+)|\bip6 flowlabel (\d+)")
_VERDICT = re.compile(r"\(verdict (?P<verdict>[a-z ]+?)(?: \S+)?\)$")


_COUNTS = re.compile(r"counter packets \d+ bytes \d+")


@dataclass(slots=True)
class Path:
    """What was seen of one packet: the hooks that it entered and left, and who decided about it.

    ``rules`` are the rules that accepted it, by chain; ``rule`` is the one that dropped it.
    """

    hooks: list[str] = field(default_factory=list)
    dropped_in: str = ""
    rule: str = ""
    rules: list[tuple[str, str]] = field(default_factory=list)

    @property
    def taken_for_the_routers_own(self) -> bool:
        """Tell whether the router took it for itself instead of handing it on."""
        return any(hook.startswith("input") for hook in self.hooks)

    @property
    def handed_on(self) -> bool:
        """Tell whether it came past the last rule."""
        return "postrouting_last" in self.hooks


@contextmanager
def traced(lab: Lab) -> Iterator[Tracer]:
    """Trace every packet of the router for as long as the block lasts."""
    chains = "\n".join(
        _CHAIN.format(hook=hook, name=name, priority=priority)
        for hook in _HOOKS
        for name, priority in (("first", _FIRST), ("last", _LAST))
    )
    lab.load(_RULES.format(table=TABLE, chains=chains))
    tracer = Tracer(lab)
    try:
        tracer.synchronise()
        tracer.forget()
        yield tracer
    finally:
        tracer.close()
        lab.router.run("nft", "delete", "table", "inet", TABLE)


class Tracer:
    """Reads what the kernel tells, until it has told all."""

    def __init__(self, lab: Lab) -> None:
        """Begin to listen."""
        self._lab = lab
        self._listener = lab.router.start("nft", "monitor", "trace")
        self._tokens: dict[str, int] = {}
        self.paths: dict[int, Path] = {}
        self._rest = b""
        self._marks = cycle(_MARKS)
        self._mark = 0

    def close(self) -> None:
        """Stop listening."""
        self._listener.kill()
        self._listener.wait()
        if self._listener.stdout is not None:
            self._listener.stdout.close()

    def forget(self) -> None:
        """Forget what was seen."""
        self._tokens.clear()
        self.paths.clear()

    def synchronise(self) -> None:
        """Read until all that happened before is read: a packet of our own is seen to pass.

        Raises:
            ProofError: E802, the kernel tells nothing.
        """
        lan = self._lab.layout.lans[0]
        client = lan.clients[0]
        self._mark = next(self._marks)  # late copies of an older mark must not end this
        end = time.monotonic() + _SECONDS
        while self._mark not in self.paths:
            if time.monotonic() > end:
                raise ProofError.of(Code.E802, "nft monitor tells nothing about packets")
            mark = Packet(99, client.ipv4, lan.ipv4, self._mark, payload=b"mark")
            self._lab.deliver([(client.name, mark)])
            self._read(0.05)

    def _read(self, seconds: float) -> None:
        """Read until the mark is seen, or nothing comes for a while."""
        out = self._listener.stdout
        while out is not None and self._mark not in self.paths:
            if not select.select([out], [], [], seconds)[0]:
                return
            data = os.read(out.fileno(), 1 << 16)
            if not data:
                raise ProofError.of(Code.E802, "nft monitor has ended")
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._line(line.decode(errors="replace"))

    def _line(self, line: str) -> None:
        match = _LINE.match(line)
        if match is None:
            return
        name = match["id"]
        token = _TOKEN.search(line) if match["rest"].startswith("packet:") else None
        if token is not None:
            self._tokens[name] = int(token[1] or token[2])
        if name not in self._tokens:
            return
        path = self.paths.setdefault(self._tokens[name], Path())
        if match["table"] == TABLE:
            path.hooks.append(match["chain"])
            return
        where = f"{match['family']} {match['table']} {match['chain']}"
        _note(path, where, match["rest"])


def _note(path: Path, where: str, rest: str) -> None:
    """Note a verdict that ends a packet; ``nft`` names the rule, or the policy of the chain."""
    if rest.startswith("policy "):
        if rest.split()[1] == "drop":
            path.dropped_in, path.rule = where, "policy drop"
        return
    verdict = _VERDICT.search(rest)
    if verdict is None or not rest.startswith("rule "):
        return
    rule = _COUNTS.sub("counter", _VERDICT.sub("", rest.removeprefix("rule ")).strip())
    if verdict["verdict"] == "drop":
        path.dropped_in, path.rule = where, rule
    elif verdict["verdict"] == "accept":
        path.rules.append((where, rule))
