"""Settings that differ are told line by line, and only those that a verdict came from."""

from __future__ import annotations

import pytest

from compiler.audit.settings import deciding, differing
from compiler.device.job import Change


def test_lines_that_both_sides_have_are_not_told() -> None:
    change = Change(
        "chain forward",
        "filter forward 0 drop\na accept\nb drop",
        "filter forward 0 drop\nb drop\nc drop",
    )
    assert [str(each) for each in differing([change])] == [
        "chain forward=a accept (wanted: nothing)",
        "chain forward=nothing (wanted: c drop)",
    ]


def test_another_order_is_told() -> None:
    (found,) = differing([Change("chain x", "a\nb", "b\na")])
    assert str(found) == "chain x=a / b (wanted: b / a)"


@pytest.mark.parametrize("before", [None, "", "one"])
def test_a_value_of_one_line_is_told_as_it_is(before: str | None) -> None:
    (found,) = differing([Change("fw_pt_pptp", before, "0")])
    shown = "nothing" if before is None else before
    assert str(found) == f"fw_pt_pptp={shown} (wanted: 0)"


def test_secrets_do_not_show() -> None:
    (found,) = differing([Change("admin_password", "hunter2", "geheim")])
    assert "hunter2" not in str(found)
    assert "geheim" not in str(found)


def test_a_verdict_names_the_settings_that_it_came_from() -> None:
    changes = [
        Change("fw_pt_pptp", "1", "0"),
        Change("fw_pt_l2tp", "1", "0"),
        Change("passthru_block__sstp__x.target", None, "DROP"),
        Change("chain forward", "ip protocol 47 accept", "ip protocol 47 drop"),
    ]
    every = differing(changes)

    def named(*reasons: str, about: tuple[str, ...] = ()) -> set[str]:
        return {each.item for each in deciding(every, reasons, about)}

    assert named("fw_pt_pptp=1") == {"fw_pt_pptp"}
    assert named("rule passthru_block__sstp__x: tcp/443") == {"passthru_block__sstp__x.target"}
    assert named("inet fw forward handle 7: ip protocol 47 drop") == {"chain forward"}
    assert named("policy accept", about=("ah", "ah.ah")) == {each.item for each in every}
    assert named("nothing of ours", about=("fw_pt_l2tp",)) == {"fw_pt_l2tp"}
