"""What is said of one router's row in the support matrix, in text and on the page alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.build.matrix import Row, Standing
from compiler.model.finding import Code
from compiler.model.protocol import Family

#: Short words for the overview, which has 80 columns for eight and more.
SHORT = {
    Standing.EXACT: "yes",
    Standing.DEVIATES: "part",
    Standing.BY_ITSELF: "self",
    Standing.IMPOSSIBLE: "no",
    Standing.UNKNOWN: "?",
}
MEANING = {
    Standing.EXACT: "both a pass and a block hold for every packet",
    Standing.DEVIATES: "one of them holds in part, or leaves or takes something else",
    Standing.BY_ITSELF: "nothing is set, it passes anyway; a block is impossible",
    Standing.IMPOSSIBLE: "neither can be had",
    Standing.UNKNOWN: "nobody has read or stated what decides it",
}
PROBLEMS = {
    Code.D501: "open",
    Code.D502: "blocked",
    Code.D503: "without the NAT helper",
    Code.D504: "unknown",
    Code.D505: "running tunnels survive",
    Code.T406: "besides",
}

#: Computed from the procedures and from what the settings of a pass do.
ABILITIES = ("router", "read", "write", "push", "rollback", "helper", "IPv6")


def abilities(row: Row) -> tuple[str, ...]:
    """Give the cells of one router's row, below :data:`ABILITIES`."""
    yes = {True: "yes", False: "no"}
    reads, writes = yes[row.capabilities.reads], yes[row.capabilities.writes]
    push = "by hand" if row.transport == "file" else row.transport
    return (row.name, reads, writes, push, yes[row.rolls_back], str(row.helper), str(row.ipv6))


def stated(row: Row) -> str:
    """Say which facts and options make the router of a row."""
    facts = [f"{key} {_plain(value)}" for key, value in row.device.facts.items()]
    options = [f"passthru_{key} {_plain(value)}" for key, value in row.device.options.items()]
    return f" ({', '.join([*facts, *options])})" if facts or options else ""


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return word(value)


def lacking(row: Row) -> tuple[str, ...]:
    """Say what a pass or a block does not get: those with the same reason in one line."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for protocol, action, family, problem, reason, flows in _lacking(row):
        key = (action, problem, reason)
        found.setdefault(key, {}).update(dict.fromkeys((f"{f} {family}" for f in flows), None))
        if not flows:
            found[key][protocol] = None
    lines = []
    for (action, problem, reason), about in found.items():
        what = ", ".join(_families_joined(about))
        lines.append(f"{action}: {what}: {problem} ({reason})")
    return tuple(lines)


def _families_joined(about: Mapping[str, None]) -> Iterator[str]:
    """Write a flow that is concerned in both address families once, without them."""
    done: set[str] = set()
    for each in about:
        flow, _, family = each.partition(" ")
        both = all(f"{flow} {one}" in about for one in Family)
        if flow not in done:
            yield flow if both or not family else f"{flow} over {family}"
        if both:
            done.add(flow)


def _lacking(row: Row) -> Iterator[tuple[str, str, Family, str, str, tuple[str, ...]]]:
    for protocol, by in row.cells.items():
        for family, cell in by.items():
            if cell.standing is Standing.BY_ITSELF:
                continue
            for action, trial in (("pass", cell.passes), ("block", cell.blocks)):
                if trial is None:
                    continue
                if trial.refused:
                    yield protocol, action, family, "refused", trial.refused, ()
                for gap in trial.gaps:
                    reason = "; ".join(gap.because)
                    yield protocol, action, family, PROBLEMS[gap.code], reason, gap.flows


def word(value: object) -> str:
    """Write a value for a person."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
