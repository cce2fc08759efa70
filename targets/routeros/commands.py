"""Commands that the texts of a push are made of; the marks that they set are in ``push``."""

from __future__ import annotations

from compiler.model.console import Turn
from targets.routeros.script import quoted

OURS = "passthru-push-"
NOTE = "passthru-note"
SCRIPTS, TIMERS = "/system script", "/system scheduler"
POLICY = "policy=read,write,policy,test"


def line(*commands: str) -> str:
    """One line; in braces, so that variables hold over all of it."""
    return f"{{ {'; '.join(commands)} }}"


def section(mark: str, name: str) -> str:
    """Begin a section of the answer."""
    return f':put "{mark} = {name}"'


def ok(mark: str) -> str:
    """Say that all of it worked."""
    return f':put "{mark} ok"'


def wait(mark: str) -> str:
    """Say that it is not over."""
    return f':put "{mark} wait"'


def named(name: str) -> str:
    """Quote the name of an entry of ours."""
    return f'"{OURS}{name}"'


def find(name: str) -> str:
    """Find a mark."""
    return f"{SCRIPTS} find where name={named(name)}"


def has(name: str) -> str:
    """Count a mark: none or one."""
    return f"[:len [{find(name)}]]"


def ticks() -> str:
    """Count the timer."""
    return f'[:len [{TIMERS} find where name="{OURS}tick"]]'


def left() -> str:
    """Count what there is of any push."""
    return f'[:len [{SCRIPTS} find where name~"^{OURS}"]]'


def armed_by(turn: Turn) -> str:
    """Count the dead-man of this push."""
    return f'[:len [{find("guard")} and comment~"^{turn.word} "]]'


def noted(turn: Turn) -> str:
    """Count the note that the dead-man of this push fired."""
    return f'[:len [{SCRIPTS} find where name="{NOTE}" and comment~"^{turn.word} "]]'


def if_any(count: str) -> str:
    """Go on if a count is not 0."""
    return f":if ({count} > 0)"


def add(name: str, comment: str = "") -> str:
    """Set a mark; where it is set already, this fails."""
    return f"{SCRIPTS} add name={named(name)} comment={quoted(comment, always=True)}"


def print_end() -> str:
    """Print how it is being ended."""
    return f":foreach i in=[{find('end')}] do={{ :put [{SCRIPTS} get $i comment] }}"


#: Boot's entry first: while the other one is there, it ends what is not over.
FINISH = (
    f'{TIMERS} remove [find where name="{OURS}boot"]; '
    f'{TIMERS} remove [find where name="{OURS}tick"]; '
    f'{SCRIPTS} remove [find where name~"^{OURS}"]'
)
