"""The report for a terminal: 80 columns, whatever a router is called and a rule says."""

from __future__ import annotations

import click
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from compiler.audit.finding import Audited, AuditFinding, State
from compiler.audit.reports.text import group_lines
from compiler.audit.store import Group
from compiler.model.finding import Code, Place, Severity
from compiler.source.excerpt import printable

_TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="路由器 防火墙\u0301e", min_size=50, max_size=120),
    st.text(alphabet="ab/-=", min_size=60, max_size=300),
)
_FINDINGS = st.builds(
    AuditFinding,
    st.sampled_from([code for code in Code if code.name >= "A85"]),
    st.sampled_from(Severity),
    _TEXTS,
    st.just("pptp"),
    st.lists(st.sampled_from(["pptp.control", "pptp.data"]), unique=True).map(tuple),
    st.just(("ipv4", "ipv6")),
    st.just("block"),
    st.one_of(st.none(), st.builds(Place, _TEXTS, st.integers(0, 9999), st.integers(0, 999))),
    st.lists(_TEXTS, max_size=3).map(tuple),
    st.lists(_TEXTS, max_size=3).map(tuple),
    _TEXTS,
)


def packed(text: str) -> str:
    return "".join(printable(text).split())


@given(st.lists(_TEXTS, min_size=1, max_size=3), st.lists(_FINDINGS, max_size=3))
@settings(max_examples=60)
def test_every_line_fits_and_nothing_is_lost(
    hosts: list[str], findings: list[AuditFinding]
) -> None:
    audited = Audited(hosts[0], "openwrt", State.JUDGED, tuple(findings))
    pieces = [click.unstyle(piece) for piece in group_lines(Group(audited, tuple(hosts), 9))]
    assert all(piece.endswith("\n") and piece.count("\n") == 1 for piece in pieces)
    lines = [piece[:-1] for piece in pieces]
    assert all(cell_len(line) <= 80 for line in lines), lines
    assert all(line.isprintable() for line in lines)
    whole = packed(" ".join(lines))
    for text in (*hosts, *(t for f in findings for t in (f.message, *f.evidence, f.mend))):
        assert packed(text) in whole
