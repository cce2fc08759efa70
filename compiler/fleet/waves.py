"""Waves: who is pushed to when, and after how many failures to stop.

The words and the rounding are Ansible's (``serial`` and ``max_fail_percentage``,
https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html): a percentage is
of all hosts, rounded down, but at least one host; the last entry repeats until nobody is left;
the maximum of failures must be exceeded, not met.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from compiler.errors import UsageError
from compiler.model.finding import Code

_SHARE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?(%?)", re.ASCII)
_HINT = "write numbers and percentages, such as 1,10%,100%"


@dataclass(frozen=True, slots=True)
class Share:
    """So many hosts, or so many per cent of them."""

    number: float
    percent: bool = False

    def of(self, total: int) -> int:
        """Give the number of hosts, at least one."""
        return max(int(self.number / 100 * total) if self.percent else int(self.number), 1)

    def __str__(self) -> str:
        return f"{self.number:g}{'%' if self.percent else ''}"


#: One wave with everybody.
EVERYBODY = (Share(100, percent=True),)


def read_serial(text: str | Sequence[object]) -> tuple[Share, ...]:
    """Read ``1,10%,100%``, or the list that a configuration holds.

    Raises:
        UsageError: S821, not numbers and percentages above zero.
    """
    parts = text.split(",") if isinstance(text, str) else [str(part) for part in text]
    shares = tuple(_share(part.strip(), "a wave") for part in parts)
    if not shares or any(share.number <= 0 for share in shares):
        raise UsageError.of(Code.S821, "a wave needs at least one router", hint=_HINT)
    if any(share.percent and share.number > 100 for share in shares):
        raise UsageError.of(Code.S821, "a wave is at most 100% of the routers", hint=_HINT)
    return shares


def read_max_fail(text: str) -> Share:
    """Read ``5%`` of a wave, or ``5`` routers.

    Raises:
        UsageError: S821.
    """
    share = _share(text.strip(), "the maximum of failures")
    if share.percent and share.number > 100:
        raise UsageError.of(Code.S821, "the maximum of failures is at most 100%")
    return share


def _share(text: str, what: str) -> Share:
    found = _SHARE.fullmatch(text)
    if not found or (found[2] and not found[3]):
        raise UsageError.of(Code.S821, f"{text[:40]!r} is not {what}", hint=_HINT)
    return Share(float(f"{found[1]}.{found[2] or 0}"), bool(found[3]))


def sizes(shares: Sequence[Share], total: int) -> list[int]:
    """Give the sizes of the waves for so many hosts; they add up to all of them."""
    found: list[int] = []
    left = total
    while left > 0:
        share = shares[min(len(found), len(shares) - 1)]
        found.append(min(share.of(total), left))
        left -= found[-1]
    return found


def split(hosts: Sequence[str], shares: Sequence[Share]) -> list[Sequence[str]]:
    """Cut the hosts, in their order, into waves."""
    ends = list(accumulate(sizes(shares, len(hosts))))
    return [hosts[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@dataclass(frozen=True, slots=True)
class MaxFail:
    """When failures stop a run.

    ``share`` of ``None``: a wave runs to its end, and any failure in it makes it the last one.
    With a share, exceeding it stops at once, also in mid-wave. A wave where everybody
    failed is always the last one, as it is for Ansible.
    """

    share: Share | None = None

    def stops_within(self, failed: int, size: int) -> bool:
        """Tell whether so many failures in a wave of this size stop it while it runs."""
        return self.share is not None and self._exceeded(self.share, failed, size)

    def stops_after(self, failed: int, size: int) -> bool:
        """Tell whether the wave that has just ended is the last one."""
        if not failed:
            return False
        if self.share is None or failed >= size:
            return True
        return self._exceeded(self.share, failed, size)

    @staticmethod
    def _exceeded(share: Share, failed: int, size: int) -> bool:
        if share.percent:
            return failed * 100 > share.number * size
        return failed > share.number
