"""The dead-man: the scripts that it runs, how it is armed, and its own source.

It is the one that applies and the one that takes back. What others want of it, they say by setting
marks; that it is at work is a mark of its own, so it never works twice at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from compiler.model.console import Turn
from targets.routeros.commands import (
    FINISH,
    NOTE,
    OURS,
    POLICY,
    SCRIPTS,
    TIMERS,
    add,
    find,
    has,
    if_any,
    line,
    named,
    ok,
    section,
    wait,
)
from targets.routeros.script import quoted
from targets.routeros.settings import HELPER_MENU, MENUS

#: Far below the 32,768 bytes that every SSH server must take at once.
_MOST_SOURCE = 8000
#: After how many seconds of work the dead-man is taken for dead itself.
_STUCK = 300
_TRY_AGAIN = "10s"


def stored(turn: Turn, name: str, source: str, comment: str = "") -> str:
    """Store a script and print what was stored."""
    return line(
        f"{add(name, comment)} {POLICY} source={quoted(source, always=True)}",
        section(turn.mark, "echo"),
        f":put [{SCRIPTS} get [find where name={named(name)}] source]",
        ok(turn.mark),
    )


def programs(stem: str, lines: Sequence[str]) -> Mapping[str, str]:
    """Cut lines into scripts of a size that a router takes; each marks that it came to its end."""
    parts: list[list[str]] = [[]]
    menu, size = "", 0
    for each in lines:
        if size + len(each) > _MOST_SOURCE and parts[-1]:
            parts.append([menu] if menu else [])
            size = len(menu)
        menu = each if each in (*MENUS, HELPER_MENU) else menu
        parts[-1].append(each)
        size += len(each) + 1
    found = {}
    for number, part in enumerate(parts, 1):
        name = f"{stem}-{number}"
        end = f'{SCRIPTS} set [find where name={named(name)}] comment="done"'
        found[name] = "\n".join((*part, end))
    return found


def armed(turn: Turn) -> str:
    """Set up the timers, if the lease is still ours and the dead-man can be understood."""
    event = f"{SCRIPTS} run {OURS}guard"
    boot = f":do {{ {add('end', 'fired')} }} on-error={{}}; {event}"
    lease = f'{find("lease")} and comment~" {turn.word} "'
    timer = f"{TIMERS} add {POLICY} start-time=startup"
    return line(
        f':if ([:len [{lease}]] = 0) do={{ :error "the lease was lost" }}',
        f":local code [:parse [{SCRIPTS} get [find where name={named('guard')}] source]]",
        f"{SCRIPTS} add name={named('armed')} comment=[:tostr [/system resource get uptime]]",
        f"{timer} name={named('boot')} interval=0s on-event={quoted(boot, always=True)}",
        f"{timer} name={named('tick')} interval=1s on-event={quoted(event, always=True)}",
        ok(turn.mark),
    )


def ticking(turn: Turn) -> str:
    """See the timer run: nothing else proves that it does."""
    ran = f"[{TIMERS} get [find where name={named('tick')}] run-count]"
    return line(f":if ({ran} > 0) do={{ {ok(turn.mark)} }} else={{ {wait(turn.mark)} }}")


def apply(turn: Turn) -> str:
    """Ask for the apply once, and whether it is done; the order of the questions matters.

    The dead-man says that it is at work before it takes the wish away, and that it has applied
    before it says that it is no more at work.
    """
    mark = turn.mark
    asked = f'[:len [{SCRIPTS} find where name~"^{OURS}(go|begun)\\$"]]'
    failed = f':put "{mark} no the router stopped halfway: /log print may say why"'
    applied = f"{if_any(has('applied'))} do={{ {ok(mark)} }} else={{ {failed} }}"
    working = f"{if_any(has('working'))} do={{ {wait(mark)} }} else={{ {applied} }}"
    return line(
        f":if ({asked} = 0) do={{ {add('go')} }}",
        f"{if_any(has('go'))} do={{ {wait(mark)} }} else={{ {working} }}",
    )


def _run(name: str) -> Iterator[str]:
    """Run a script; whether its failure stops this one is not known, but its mark is."""
    yield f"{SCRIPTS} run {OURS}{name}"
    yield (
        f':if ([{SCRIPTS} get [find where name={named(name)}] comment] != "done") do='
        f'{{ :error "{OURS}{name} stopped" }}'
    )


def guard(turn: Turn, staged: Mapping[str, str]) -> str:
    """Print the dead-man: the one that applies, and the one that takes back."""
    applying = [each for name in staged if name.startswith("apply") for each in _run(name)]
    undoing = [each for name in staged if name.startswith("undo") for each in _run(name)]
    forget = f'{SCRIPTS} set [find where name~"^{OURS}undo-"] comment=""'
    later = f"{TIMERS} set [find where name={named('tick')}] interval={_TRY_AGAIN}"
    note = quoted(f"{turn.word} {turn.run}", always=True)
    return "\n".join(
        (
            ":local now [/system resource get uptime]",
            ':local how ""',
            f":foreach i in=[{find('end')}] do={{ :set how [{SCRIPTS} get $i comment] }}",
            ':if ($how = "") do={',
            f":local since [:totime [{SCRIPTS} get [find where name={named('armed')}] comment]]",
            f":if ($now < $since or $now > ($since + {turn.window}s)) do={{",
            f':do {{ {add("end", "fired")}; :set how "fired" }} on-error={{}}',
            "}",
            "}",
            ':local work ""',
            f':if ($how = "") do={{ {if_any(has("go"))} do={{ :set work "apply" }} }}',
            ':if ($how = "confirmed") do={ :set work "finish" }',
            ':if ($how = "fired" or $how = "returned") do={ :set work "undo" }',
            ':if ($work != "") do={',
            f":foreach i in=[{find('working')}] do={{",
            f":local since [:totime [{SCRIPTS} get $i comment]]",
            f":if ($now < $since or $now > ($since + {_STUCK}s)) do={{ {SCRIPTS} remove $i }}",
            "}",
            ":local mine false",
            ":do {",
            f"{SCRIPTS} add name={named('working')} comment=[:tostr $now]",
            ":set mine true",
            f':if ($work = "apply") do={{ {if_any(has("go"))} do={{',
            f"{SCRIPTS} set [{find('go')}] name={named('begun')}",
            *applying,
            add("applied"),
            "} }",
            ':if ($work = "undo") do={',
            forget,
            *undoing,
            ':if ($how = "fired") do={',
            f'{SCRIPTS} remove [find where name="{NOTE}"]',
            f'{SCRIPTS} add name="{NOTE}" comment={note}',
            "}",
            "}",
            f':if ($work != "apply") do={{ {FINISH} }}',
            f"{SCRIPTS} remove [{find('working')}]",
            "} on-error={",
            ":if ($mine) do={",
            f"{SCRIPTS} remove [{find('working')}]",
            f':if ($work = "undo") do={{ {later} }}',
            "}",
            "}",
            "}",
        )
    )
