"""Waves and limits: the same numbers as Ansible, whose code is asked."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import UsageError
from compiler.fleet.waves import EVERYBODY, MaxFail, Share, read_max_fail, read_serial, sizes, split
from tests.inventory.support import ansible_python

SERIALS = st.lists(
    st.one_of(st.integers(1, 40), st.integers(1, 100).map(lambda n: f"{n}%")),
    min_size=1,
    max_size=5,
)


def cases() -> list[tuple[list[str | int], int]]:
    """Give serials and numbers of hosts, the same in each run."""
    dice = random.Random(821)  # noqa: S311 - no secret

    def share() -> str | int:
        return f"{dice.randint(1, 100)}%" if dice.random() < 0.6 else dice.randint(1, 40)

    made = [
        ([share() for _ in range(dice.randint(1, 5))], dice.randint(0, 300)) for _ in range(500)
    ]
    usual: list[str | int] = ["1", "10%", "100%"]
    return [(usual, total) for total in range(60)] + made


def test_waves_are_those_of_ansible() -> None:
    python = ansible_python()
    if python is None:
        pytest.skip("ansible-core is not installed")
    asked = cases()
    done = subprocess.run(
        [python, "-W", "ignore", str(Path(__file__).with_name("ansible_waves.py"))],
        input=json.dumps(asked), capture_output=True, text=True, check=True,
    )  # fmt: skip
    for (serial, total), expected in zip(asked, json.loads(done.stdout), strict=True):
        assert sizes(read_serial(serial), total) == expected, (serial, total)
        assert sizes(read_serial(",".join(map(str, serial))), total) == expected


@given(SERIALS, st.integers(0, 300))
def test_waves_hold_everybody_once_in_order(serial: list[str | int], total: int) -> None:
    hosts = [str(number) for number in range(total)]
    assert [host for wave in split(hosts, read_serial(serial)) for host in wave] == hosts


def test_the_usual_waves() -> None:
    assert sizes(read_serial("1,10%,100%"), 200) == [1, 20, 179]
    assert sizes(read_serial("1,10%,100%"), 5) == [1, 1, 3]
    assert sizes(read_serial("0.5%"), 400) == [2] * 200
    assert sizes(EVERYBODY, 7) == [7]


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "1,",
        "0",
        "0%",
        "-1",
        "101%",
        "ten",
        "1e9",
        "10%%",
        "1.5",
        "\u0661",
        "9" * 20,
        "nan%",
    ],
)
def test_waves_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="S821"):
        read_serial(text)


@pytest.mark.parametrize("text", ["", "x", "-5%", "101%", "1.5"])
def test_limits_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="S821"):
        read_max_fail(text)


def test_a_limit_must_be_exceeded_as_with_ansible() -> None:
    """Ansible's example: of 10 hosts, 30% stop the play when 4 fail, not when 3 do."""
    limit = MaxFail(read_max_fail("30%"))
    assert [limit.stops_within(failed, 10) for failed in (3, 4)] == [False, True]
    assert [limit.stops_after(failed, 10) for failed in (0, 3, 4)] == [False, False, True]


def test_without_a_limit_a_wave_runs_to_its_end_and_any_failure_makes_it_the_last() -> None:
    limit = MaxFail()
    assert not limit.stops_within(9, 10)
    assert limit.stops_after(1, 10)
    assert not limit.stops_after(0, 10)


def test_a_wave_where_everybody_failed_is_the_last_whatever_the_limit() -> None:
    assert MaxFail(Share(100, percent=True)).stops_after(1, 1)
    assert not MaxFail(Share(100, percent=True)).stops_after(1, 2)


def test_a_limit_can_be_a_number_of_routers() -> None:
    limit = MaxFail(read_max_fail("2"))
    assert [limit.stops_within(failed, 1000) for failed in (2, 3)] == [False, True]
    assert MaxFail(read_max_fail("0")).stops_within(1, 1000)
