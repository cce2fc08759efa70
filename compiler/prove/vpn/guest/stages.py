"""The stages of a proof: rules land, running tunnels are watched, new ones are tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from compiler.prove.vpn.guest.gate import Gate
from compiler.prove.vpn.guest.network import Cell, Client, Lab
from compiler.prove.vpn.guest.ping import Pinger
from compiler.prove.vpn.guest.shell import CommandError
from compiler.prove.vpn.guest.tunnels.contract import Keys, Tunnel
from compiler.prove.vpn.guest.watch import Traffic

#: A tunnel that answers no ping for so long is dead; one that still does after WATCHED survives.
_DEAD_AFTER = 5.0
_WATCHED = 8.0
_POLL = 0.5
#: No hope: so many packets without an answer, after so many seconds. For the flow that opens a
#: tunnel, for its other flows, and for a tunnel that has never come up.
_OPENING, _LATER, _AT_FIRST = (4, 15.0), (8, 30.0), (20, 60.0)
_LOOK_AGAIN = 5.0
#: So many clients start at once, and make room when they are up or have had so many seconds: all at
#: once they would only be waiting for the processor, and repeat what was not lost.
_AT_ONCE, _HURRY = 6, 6.0
_LOG_LINES = 6
_STARTERS = 4
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Rules:
    """A bundle and the script that puts it onto the router; ``only``: the tunnels to look at."""

    name: str
    files: tuple[tuple[str, int, str], ...]
    script: str
    only: tuple[str, ...] = ()


@dataclass
class Case:
    """One tunnel of one client, through all stages."""

    tunnel: Tunnel
    cell: Cell
    client: Client
    up: bool = False
    took: float | None = None
    before: list[Traffic] = field(default_factory=list)
    pingers: tuple[Pinger, Pinger] = field(init=False)

    def __post_init__(self) -> None:
        """Make the two ends that ask."""
        self.pingers = Pinger(self.client.node), Pinger(self.cell.server)

    def crosses(self) -> bool:
        """Tell whether a ping crosses the tunnel from each end."""
        near, far = self.cell.inner_client(self.client.number), self.cell.inner_server
        return self.pingers[0].ask(near, far) and self.pingers[1].ask(far, near)

    def alive(self) -> bool:
        """Tell whether anything crosses the tunnel from any end."""
        near, far = self.cell.inner_client(self.client.number), self.cell.inner_server
        return self.pingers[0].ask(near, far) or self.pingers[1].ask(far, near)

    def mark(self) -> None:
        """Count from here."""
        self.before = self.cell.traffic(self.client)

    def traffic(self) -> list[Traffic]:
        """Give the packets since the mark."""
        now = self.cell.traffic(self.client)
        return [flow.since(old) for flow, old in zip(now, self.before, strict=True)]

    def hopeless(self, waited: float) -> bool:
        """Tell whether the client tries, and on some flow nothing ever comes back.

        Sooner for the flow that opens the tunnel: it is answered at once or never. On a busy
        machine everything is slow, so what a tunnel took before sets the pace.
        """
        first, *others = self.traffic()
        if self.took is None:
            return waited > _AT_FIRST[1] and _lost(first, *others, enough=_AT_FIRST[0])
        if not first.back:
            return waited > max(_OPENING[1], self.took) and _lost(first, enough=_OPENING[0])
        return waited > max(_LATER[1], 3 * self.took) and _lost(*others, enough=_LATER[0])


class Stages:
    """Runs all rules on all tunnels; every result is told as soon as it is known."""

    def __init__(self, lab: Lab, cases: Sequence[Case], keys: Keys, tell: Tell) -> None:
        """``cases`` of one cell stand together."""
        self._lab, self._cases, self._keys, self._tell = lab, cases, keys, tell
        self._served: set[str] = set()
        self._broken: set[str] = set()
        self._gate = Gate(_AT_ONCE)

    def run(self, rules: Sequence[Rules], patience: float) -> None:
        """Land one after another. A new tunnel may take ``patience`` seconds."""
        for number, landing in enumerate(rules):
            chosen = [c for c in self._cases if not landing.only or c.tunnel.name in landing.only]
            self._each(chosen, Case.mark)
            apply(self._lab, landing, number)
            self._tell({"kind": "landed", "ruleset": number})
            running = [case for case in chosen if case.up]
            self._each(running, partial(self._watch, ruleset=number))
            self._restart(chosen)
            self._each(chosen, partial(self._open, ruleset=number, patience=patience))

    def _each(self, cases: Sequence[Case], function: Callable[[Case], None]) -> None:
        if cases:
            with ThreadPoolExecutor(len(cases)) as pool:
                list(pool.map(function, cases))

    def _restart(self, cases: Sequence[Case]) -> None:
        """End the old programs and start new servers; clients come when they are timed."""
        cells = {case.cell.name: case for case in cases}
        with ThreadPoolExecutor(_STARTERS) as pool:
            list(pool.map(self._serve, cells.values()))

    def _serve(self, case: Case) -> None:
        for node in case.cell.nodes if case.cell.name in self._served else ():
            node.stop()
            case.tunnel.clean(node)
        self._served.add(case.cell.name)
        self._broken.discard(case.cell.name)
        try:
            case.tunnel.serve(case.cell, self._keys)
        except CommandError as error:
            self._broken.add(case.cell.name)
            case.cell.server.write("start.log", f"{error}\n")

    def _watch(self, case: Case, ruleset: int) -> None:
        """Look at a tunnel that was up when the rules landed."""
        start = last = time.monotonic()
        while True:
            now = time.monotonic()
            if case.alive():
                last = time.monotonic()
                if last - start >= _WATCHED:
                    break
            elif now - last >= _DEAD_AFTER:
                break
            time.sleep(_POLL)
        alive = last - start >= _WATCHED
        self._say(case, ruleset, "running", up=alive, seconds=last - start)

    def _open(self, case: Case, ruleset: int, patience: float) -> None:
        """Start a client, and wait until pings cross, nothing is answered, or patience ends."""
        case.mark()
        case.up = False
        with self._gate.passed() as leave:
            start = time.monotonic()
            try:
                case.tunnel.connect(case.cell, case.client, self._keys)
                case.up = _comes_up(case, start + patience, leave)
            except CommandError as error:
                case.client.node.write("start.log", f"{error}\n")
        seconds = time.monotonic() - start
        if case.up:
            case.took = max(seconds, case.took or 0.0)
        self._say(case, ruleset, "new", up=case.up, seconds=seconds)

    def _say(self, case: Case, ruleset: int, phase: str, *, up: bool, seconds: float) -> None:
        server = [f"server {line}" for line in case.cell.server.log(_LOG_LINES)]
        self._tell({
            "kind": "result",
            "ruleset": ruleset,
            "protocol": case.tunnel.name,
            "client": case.client.number,
            "phase": phase,
            "up": up,
            "served": case.cell.name not in self._broken and case.cell.server.running(),
            "seconds": round(seconds, 1),
            "traffic": [asdict(flow) for flow in case.traffic()],
            "log": [] if up else [*case.client.node.log(_LOG_LINES), *server],
        })  # fmt: skip


def _comes_up(case: Case, until: float, leave: Callable[[], None]) -> bool:
    start = time.monotonic()
    look = start + _OPENING[1]
    while (now := time.monotonic()) < until:
        if case.crosses():
            return True
        if now - start >= _HURRY:
            leave()
        if now >= look:
            if case.hopeless(now - start):
                return False
            look = now + _LOOK_AGAIN
        time.sleep(_POLL)
    return False


def _lost(*flows: Traffic, enough: int) -> bool:
    return any(flow.sent >= enough and not flow.back for flow in flows)


def apply(lab: Lab, rules: Rules, number: int) -> None:
    """Put a bundle onto the router, by its own script in its own folder."""
    folder = f"rules/{number}"
    for path, mode, content in rules.files:
        lab.router.write(f"{folder}/{path}", content, mode)
    where = lab.router.folder / folder
    where.mkdir(parents=True, exist_ok=True)
    try:
        lab.router.run("sh", "-c", 'cd "$0" && eval "$1"', str(where), rules.script)
    except CommandError as error:
        said = str(error).rpartition(rules.script)[2].lstrip(": ")
        raise CommandError(f"the rules '{rules.name}' do not load: {said}") from error
