"""The texts of a push: commands that RouterOS gets over SSH, one line each.

What is pushed is staged as scripts in ``/system script``, and two entries in ``/system scheduler``
run the dead-man: one every second, one at each boot. Only the dead-man applies and takes back, so
that a line that is cut stops neither. The other end only sets marks, which are scripts without a
source: since no two scripts have the same name, of two who set the same mark one fails.

=========================  ====================================================================
``passthru-push-lease``    comment: who, WORD, uptime from and until which nobody else may begin
``passthru-push-apply-N``  what is to be applied, and at its end its comment becomes ``done``
``passthru-push-undo-N``   the same for what was there before
``passthru-push-guard``    the dead-man; comment: WORD and run
``passthru-push-armed``    comment: the uptime when it was armed
``passthru-push-go``       the apply is wanted; the dead-man renames it to ``-begun``
``passthru-push-working``  comment: the uptime since when the dead-man applies or takes back
``passthru-push-applied``  the apply came to its end
``passthru-push-end``      comment: how it ends: ``confirmed``, ``fired``, ``returned``
``passthru-note``          comment: WORD and run of a dead-man that fired; stays
=========================  ====================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compiler.errors import NativeError
from compiler.model.console import Send, Turn
from compiler.model.device import Device
from compiler.model.finding import Code
from compiler.model.step import StepName
from targets.routeros import deadman, render, settings
from targets.routeros.commands import (
    FINISH,
    NOTE,
    OURS,
    SCRIPTS,
    TIMERS,
    add,
    armed_by,
    find,
    has,
    if_any,
    left,
    line,
    named,
    noted,
    ok,
    print_end,
    section,
    ticks,
    wait,
)
from targets.routeros.script import quoted
from targets.routeros.settings import HELPER_MENU, KEY, RouterSettings

_UPTIME = re.compile(
    r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+):(\d+):(\d+)|(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?)"
)
_SECONDS = (604_800, 86_400, 3600, 60, 1, 3600, 60, 1)


@dataclass(frozen=True, slots=True)
class RouterConsole:
    """The texts for one router; see :class:`compiler.model.console.Console`."""

    wanted: RouterSettings
    device: Device

    def observe(self, mark: str) -> str:
        """Ask what there is."""
        return line(*_facts(mark), *_standing(mark), *self._read(mark), ok(mark))

    def comparable(self, read: str) -> str:
        """Leave out the first line of an export, which holds the time."""
        return "\n".join(line for line in read.splitlines() if not line.startswith("#"))

    def refusal(self, sections: Mapping[str, str]) -> str:
        """Say why nobody may begin."""
        seen = _Seen.of(sections)
        if seen.ticks:
            return f"the push {seen.holder} is not confirmed, and its dead-man waits"
        if seen.held:
            left = seen.until - seen.uptime
            return f"held by {seen.holder}, for {left} s at most"
        return ""

    def begin(self, turn: Turn, sections: Mapping[str, str]) -> Iterator[Send]:
        """Take the lease, stage, check, arm, apply."""
        seen = _Seen.of(sections)
        yield Send(StepName.STAGE, self._lease(turn, seen), anew=True)
        programs = {
            **deadman.programs("apply", render.applying(self.wanted, self.device)),
            **deadman.programs("undo", render.undoing(sections["read"], self.device)),
        }
        for name, source in programs.items():
            yield Send(StepName.STAGE, deadman.stored(turn, name, source), echo=source)
        yield Send(StepName.CHECK, self._check(turn, programs))
        guard = deadman.guard(turn, programs)
        yield Send(
            StepName.ARM,
            deadman.stored(turn, "guard", guard, f"{turn.word} {turn.run}"),
            echo=guard,
        )
        yield Send(StepName.ARM, deadman.armed(turn))
        yield Send(StepName.ARM, deadman.ticking(turn))
        yield Send(StepName.APPLY, deadman.apply(turn))

    def clean(self, turn: Turn) -> str:
        """Remove all of this push, unless its apply was asked for."""
        mine = f'{find("lease")} and comment~" {turn.word} "'
        begun = f'{SCRIPTS} find where name~"^{OURS}(go|begun|end)\\$"'
        both = f":if ([:len [{mine}]] > 0) do={{ :if ([:len [{begun}]] = 0) do={{ {FINISH} }} }}"
        return line(both, ok(turn.mark))

    def after(self, turn: Turn, *, patient: bool) -> str:
        """Say how things stand."""
        mark = turn.mark
        ending = f"{if_any(has('end'))} do={{ {print_end()} }} else={{ :put armed }}"
        told = "; ".join(
            (
                section(mark, "state"),
                f"{if_any(armed_by(turn))} do={{ {ending} }}",
                f"{if_any(noted(turn))} do={{ :put done-fired }}",
                section(mark, "applied"),
                f"{if_any(has('applied'))} do={{ :put 0 }} else={{ :put 1 }}",
                section(mark, "verified"),
                *self._verify(),
                ":put 0",
                *_facts(mark),
                *self._read(mark),
                ok(mark),
            )
        )
        if not patient:
            return line(told)
        working = f"{if_any(has('working'))} do={{ {wait(mark)} }} else={{ {told} }}"
        waiting = f"{if_any(has('go'))} do={{ {wait(mark)} }} else={{ {working} }}"
        return line(f"{if_any(has('end'))} do={{ {told} }} else={{ {waiting} }}")

    def end(self, turn: Turn, how: str) -> str:
        """Claim the end; the dead-man takes back, a confirmation only removes it."""
        mark = turn.mark
        state = {"confirm": "confirmed", "return": "returned"}[how]
        claim = (
            f"{if_any(has('end'))} do={{}} else={{ {if_any(armed_by(turn))} do={{ "
            f":do {{ {add('end', state)} }} on-error={{}} }} }}"
        )
        over = f"{section(mark, 'end')}; :put $how; {ok(mark)}"
        rest = f"{if_any(left())} do={{ {wait(mark)} }} else={{ {over} }}"
        finish = f":do {{ {FINISH} }} on-error={{}}; {rest}"
        gone = f':set how "{state}"; {if_any(noted(turn))} do={{ :set how "fired" }}; {over}'
        stuck = f':put "{mark} no the end cannot be marked"'
        return line(
            claim,
            ':local how ""',
            f":foreach i in=[{find('end')}] do={{ :set how [{SCRIPTS} get $i comment] }}",
            f':if ($how = "") do={{ {if_any(armed_by(turn))} do={{ {stuck} }} else={{ {gone} }} }} '
            f'else={{ :if ($how = "confirmed") do={{ {finish} }} else={{ '
            f"{if_any(ticks())} do={{ {wait(mark)} }} else={{ {finish} }} }} }}",
        )

    # parts

    def _read(self, mark: str) -> Iterator[str]:
        yield section(mark, "read")
        yield from render.reading(self.device)

    def _lease(self, turn: Turn, seen: _Seen) -> str:
        mark = turn.mark
        until = seen.uptime + turn.lease
        comment = f"{turn.owner}/{turn.run} {turn.word} {seen.uptime} {until}"
        own = f'name="{OURS}lease" and comment={quoted(comment, always=True)}'
        lost = f"{SCRIPTS} remove [find where {own}]"
        orphans = (
            f'{TIMERS} remove [find where name~"^{OURS}"]; '
            f'{SCRIPTS} remove [find where name~"^{OURS}" and name!="{OURS}lease"]; '
            f'{SCRIPTS} remove [find where name="{NOTE}"]'
        )
        again = "; ".join(self._read(mark))
        stale = quoted(seen.lease, always=True)
        refused = f':put "{mark} no another push came first"'
        return line(
            f'{SCRIPTS} remove [find where name="{OURS}lease" and comment={stale}]',
            f"{if_any(has('lease'))} do={{ {refused} }} else={{ {add('lease', comment)}; "
            f":if ([:len [{find('lease')}]] > 1) do={{ {lost}; {refused} }} else={{ "
            f"{if_any(ticks())} do={{ {lost}; {refused} }} else={{ {orphans}; {again}; {ok(mark)} "
            "} } }",
        )

    def _check(self, turn: Turn, programs: Mapping[str, str]) -> str:
        parsed = (
            f":local code [:parse [{SCRIPTS} get [find where name={named(name)}] source]]"
            for name in programs
        )
        return line(*render.checking(self.wanted), *parsed, ok(turn.mark))

    def _verify(self) -> Iterator[str]:
        """Find entries of ours that the router holds and does not use."""
        for menu in render.menus(self.device):
            found = f'[:len [{menu} find where comment~"^{settings.MARK}" and invalid=yes]]'
            yield f':if ({found} > 0) do={{ :put "{menu} holds invalid entries of ours" }}'
        if self.wanted.helper == "on":
            found = f'[:len [{HELPER_MENU} find where name="{KEY}" and invalid=yes]]'
            yield f':if ({found} > 0) do={{ :put "the helper {KEY} is on, and invalid" }}'


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of a push there is: the lease's comment, and whether a dead-man waits."""

    uptime: int
    lease: str
    ticks: bool

    @classmethod
    def of(cls, sections: Mapping[str, str]) -> _Seen:
        """Read the section ``standing``."""
        found = dict(_pair(line) for line in sections.get("standing", "").splitlines())
        uptime = _seconds(found.get("uptime", ""))
        return cls(uptime, found.get(f"{OURS}lease", ""), f"{OURS}tick" in found)

    @property
    def holder(self) -> str:
        """Who has the lease, and for which run."""
        return self.lease.split(" ")[0] or "of somebody"

    @property
    def until(self) -> int:
        """Up to which uptime the lease holds."""
        last = self.lease.rpartition(" ")[2]
        return int(last) if last.isdecimal() else 0

    @property
    def held(self) -> bool:
        """Tell whether it holds; a lease of before a boot begins in the future."""
        begin = (self.lease.split(" ") + [""] * 3)[2]
        return begin.isdecimal() and int(begin) <= self.uptime < self.until


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.strip().partition(" ")
    return name, value


def _seconds(text: str) -> int:
    match = _UPTIME.fullmatch(text)
    if match is None or not any(match.groups()):
        message = "the uptime that the router tells cannot be read"
        raise NativeError.of(Code.T407, message, hint="/system resource get uptime")
    parts = zip(match.groups(), _SECONDS, strict=True)
    return sum(int(part) * unit for part, unit in parts if part)


def _facts(mark: str) -> Iterator[str]:
    yield section(mark, "facts")
    yield ':put ("release=" . [/system resource get version])'


def _standing(mark: str) -> Iterator[str]:
    yield section(mark, "guard")
    note = f'{SCRIPTS} find where name="{NOTE}"'
    yield f':foreach i in=[{note}] do={{ :put ("done-fired-" . [{SCRIPTS} get $i comment]) }}'
    armed = f':put ("armed-" . [{SCRIPTS} get $i comment])'
    yield f":foreach i in=[{find('guard')}] do={{ {if_any(ticks())} do={{ {armed} }} }}"
    yield section(mark, "standing")
    yield ':put ("uptime " . [/system resource get uptime])'
    lease = f':put ("{OURS}lease " . [{SCRIPTS} get $i comment])'
    yield f":foreach i in=[{find('lease')}] do={{ {lease} }}"
    yield f"{if_any(ticks())} do={{ :put {named('tick')} }}"
