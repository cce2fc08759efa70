"""The report for a terminal of 80 columns: like routers together, the worst first."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

import click
from rich.cells import cell_len

from compiler.audit.finding import AuditFinding, Standing, State
from compiler.audit.reports.view import View
from compiler.audit.store import Audit, Group
from compiler.model.finding import Severity
from compiler.source.excerpt import printable

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_MOST_CHANGES = 50
_NARROWEST = 30
#: Stands for the second column of a wide character.
_FILLER = "\0"
#: So much evidence of one finding is shown.
_MOST_LINES = 4


def write(view: View) -> Iterator[str]:
    """Give the lines."""
    for group in view.groups:
        yield from group_lines(group)
    if view.asked_since and view.before is not None:
        yield from _since(view, view.before)
    yield from _summary(view)


def group_lines(group: Group) -> Iterator[str]:
    """Say what there is to say of routers that are alike."""
    audited = group.audited
    shown = ", ".join(group.hosts)
    more = group.number - len(group.hosts)
    names = f"{shown} and {more} more" if more > 0 else shown
    kind = f" ({audited.target})" if audited.target else ""
    worst = audited.worst
    told = [f for f in audited.findings if f.severity > Severity.INFO or _speaks(f)]
    if not told and audited.state is State.JUDGED:
        right = sum(cell.standing is Standing.RIGHT for cell in audited.cells.values())
        said = f"as the policy wants ({right} protocols)" if right else "nothing to say"
        yield from _wrapped(f"{names}{kind}: {said}", "", 2)
        return
    color = _COLORS[worst] if worst else None
    heading = names + kind
    if audited.state is not State.JUDGED:
        heading += f": {audited.state}"
    for line in _wrapped(heading, "", 2):
        yield click.style(line, fg=color, bold=True)
    for found in told:
        yield from finding_lines(found)
    if len(told) < len(audited.findings):
        left = len(audited.findings) - len(told)
        notes = f"{left} note{'' if left == 1 else 's'} on how the text was read"
        yield from _wrapped(f"{notes} (--output json)", "  ", 4)


def _speaks(found: AuditFinding) -> bool:
    """Tell a note of the audit from a remark about how a text was read."""
    return found.code.value not in ("", None) and found.code.name >= "A85"


def finding_lines(found: AuditFinding) -> Iterator[str]:
    """Say one finding: what, which packets, where, why, and what mends it."""
    head = f"{found.severity.word}[{found.code.name}]"
    packets = ""
    if found.flows:
        packets = f": {', '.join(found.flows)} over {' and '.join(found.families)}"
    lines = list(_wrapped(f"{head} {found.message}{packets}", "  ", 4))
    styled = click.style(head, fg=_COLORS[found.severity])
    yield lines[0].replace(head, styled, 1)
    yield from lines[1:]
    if found.place:
        yield from _wrapped(f"policy:   {found.place}", "    ", 10)
    for word, texts in (("because", found.evidence), ("setting", found.settings)):
        for text in texts[:_MOST_LINES]:
            yield from _wrapped(f"{word}:  {text}", "    ", 10)
        if len(texts) > _MOST_LINES:
            yield from _wrapped(f"{word}:  and more (--output json has them)", "    ", 10)
    if found.mend:
        yield from _wrapped(f"to mend:  {found.mend}", "    ", 10)


def _since(view: View, before: Audit) -> Iterator[str]:
    yield "\n" + click.style(f"Since {before.id} ({before.begun})", bold=True) + "\n"
    count = 0
    for difference in view.differences:
        for mark, findings in (("+", difference.appeared), ("-", difference.gone)):
            for found in findings:
                count += 1
                if count <= _MOST_CHANGES:
                    said = f"{mark} {difference.host}: {found.code.name} {found.message}"
                    color = "red" if mark == "+" else "green"
                    for line in _wrapped(said, "  ", 4):
                        yield click.style(line, fg=color)
    if count > _MOST_CHANGES:
        yield f"  and {count - _MOST_CHANGES} more (--output json has all)\n"
    if not count:
        yield "  nothing appeared, nothing went\n"


def _summary(view: View) -> Iterator[str]:
    audit, counts, severities = view.audit, view.states, view.severities
    states = ", ".join(f"{counts[state]} {state}" for state in State if counts[state])
    said = ", ".join(
        f"{severities[each]} {'note' if each is Severity.INFO else each.word}"
        f"{'' if severities[each] == 1 else 's'}"
        for each in sorted(Severity, reverse=True)
        if severities[each]
    )
    yield "\n"
    routers = f"{audit.routers} router{'' if audit.routers == 1 else 's'}"
    yield from _wrapped(f"audit {audit.id}: {routers} ({states or 'none'})", "", 2)
    yield from _wrapped(f"findings: {said or 'none'}", "", 2)


def _wrapped(text: str, indent: str, hanging: int) -> Iterator[str]:
    """Wrap by columns: a wide character takes two, and must not be the half of it."""
    width = max(min(shutil.get_terminal_size((80, 24)).columns, 100), _NARROWEST)
    shown = "".join(char + _FILLER * (cell_len(char) - 1) for char in printable(text))
    lines = textwrap.wrap(
        shown,
        width - (_FILLER in shown),
        initial_indent=indent,
        subsequent_indent=indent + " " * hanging,
        break_on_hyphens=False,
    )
    return (line.replace(_FILLER, "") + "\n" for line in lines)
