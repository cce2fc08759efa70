"""The contract of a router that runs commands and has no POSIX shell.

A :class:`Console` only makes texts; what sends them, and judges the answers, is in
``compiler.device``. Such a router gives no exit status that means anything, so every text ends by
printing a verdict behind a mark that nothing else can print. In an answer

- ``MARK = NAME`` begins a section;
- ``MARK ok`` as the last line says that everything in the text worked;
- ``MARK wait``: nothing went wrong, and it is not over; the same text is sent again;
- ``MARK no REASON``: the text itself refuses to go on.

What ends in no such line has failed, and what the router printed says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from compiler.model.step import StepName


@dataclass(frozen=True, slots=True)
class Turn:
    """What one push is to its router.

    ``word`` is how its entries on the router are told from those of any other push, ``mark`` what
    its answers are marked with. ``window`` is after how many seconds without a confirmation the
    router takes everything back, ``lease`` for how many seconds at most nobody else may begin.
    """

    word: str
    mark: str
    owner: str
    run: str
    window: int
    lease: int


@dataclass(frozen=True, slots=True)
class Send:
    """One text to send, and what its sections must hold.

    ``echo``: the section ``echo``, line by line, if it is set. ``anew``: the section ``read`` is
    what the router has by now, which must be what the plan was made on.
    """

    step: StepName
    text: str
    echo: str = ""
    anew: bool = False


class Console(Protocol):
    """The texts of a push. A section ``facts`` holds lines of ``name=value``."""

    def observe(self, mark: str) -> str:
        """Ask for the sections ``facts``, ``guard``, ``standing`` and ``read``; write nothing.

        ``guard`` holds ``done-fired-WORD RUN`` for a dead-man that fired; ``standing`` is for
        :meth:`refusal` and :meth:`begin` alone.
        """
        ...

    def comparable(self, read: str) -> str:
        """Leave out of a section ``read`` what differs although nothing has changed."""
        ...

    def refusal(self, sections: Mapping[str, str]) -> str:
        """Say why nobody may begin, out of the sections of :meth:`observe`; nothing: go on.

        Raises:
            NativeError: the answer cannot be read.
        """
        ...

    def begin(self, turn: Turn, sections: Mapping[str, str]) -> Iterator[Send]:
        """Give what takes the lease, stages, checks, arms and applies, out of the same sections.

        The apply is the router's own doing, so that a line that is cut does not stop it. What
        comes before the first text of the step APPLY has seen the dead-man run.
        """
        ...

    def clean(self, turn: Turn) -> str:
        """Remove what this push has put there, unless its apply was asked for."""
        ...

    def after(self, turn: Turn, *, patient: bool) -> str:
        """Ask for the sections ``state``, ``applied``, ``verified``, ``facts`` and ``read``.

        ``state`` holds words: ``armed``, or how it is being ended (``confirmed``, ``fired``,
        ``returned``), or ``done-fired``. ``applied`` holds ``0`` if all was applied, ``verified``
        ``0`` as its last line if all is well. ``patient``: wait while the apply is at work.
        """
        ...

    def end(self, turn: Turn, how: str) -> str:
        """End it: ``confirm`` or ``return``; the section ``end`` holds how it really ended."""
        ...
