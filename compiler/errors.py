"""One tree of exceptions. Every one carries findings; only the command line prints or exits.

``PassthruError`` is the root; a caller that catches it has caught everything that is
not a bug. The exit code belongs to the class, see docs/exit-codes.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Self

from compiler.model.finding import Code, Finding, Place, Severity


class ExitCode(IntEnum):
    """Every exit status of the program, in one place."""

    OK = 0
    INTERNAL = 1
    DIFFERENT = 2
    INVALID = 3
    SOME_FAILED = 4
    SOME_UNREACHABLE = 5
    ROLLED_BACK = 6
    USAGE = 64
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class PassthruError(Exception):
    """Something a user can mend. Holds at least one finding."""

    exit_code = ExitCode.INVALID

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Keep the findings in the order of their places."""
        self.findings = tuple(sorted(findings, key=lambda found: found.sort_key))
        super().__init__("; ".join(f"{f.code.name}: {f.message}" for f in self.findings))

    @classmethod
    def of(
        cls,
        code: Code,
        message: str,
        place: Place | None = None,
        hint: str = "",
        host: str = "",
    ) -> Self:
        """Build the exception from one finding."""
        return cls([Finding(code, message, Severity.ERROR, place, hint, host)])


class SourceError(PassthruError):
    """A file that a user wrote cannot be read or is not what it should be."""


class PolicyError(SourceError):
    """A policy contradicts itself, its schema, the catalogue or the inventory."""


class InventoryError(SourceError):
    """The inventory cannot be read, or a host in it lacks what is needed."""


class TemplateError(SourceError):
    """A template fails, or does something that templates may not do."""


class SecretError(SourceError):
    """A secret cannot be resolved (no password, wrong password, no such variable)."""


class TargetError(PassthruError):
    """A target is unknown, broken, or cannot do what is asked of it."""


class NativeError(TargetError):
    """A router's own config text cannot be read."""


class OutputError(PassthruError):
    """The output folder cannot be written, or holds something that is not ours."""


class StaleError(OutputError):
    """``compile --check`` found output that differs from what would be written."""

    exit_code = ExitCode.DIFFERENT


class ProofError(PassthruError):
    """A proof cannot be made here: something is missing, or the lab itself fails."""


class JournalError(PassthruError):
    """The journal cannot be read or written, or does not hold what is asked of it."""


class PlanError(PassthruError):
    """A plan is not a plan, or not one of this policy and these routers."""


class TransportError(PassthruError):
    """A router cannot be reached, refuses the session, or breaks it off."""

    exit_code = ExitCode.SOME_UNREACHABLE


class LostError(TransportError):
    """A session that stood broke off, or a step took too long: what was asked may have happened."""


class ApplyError(PassthruError):
    """A router answers but refuses what is asked of it."""

    exit_code = ExitCode.SOME_FAILED


class UsageError(PassthruError):
    """The command line itself is wrong."""

    exit_code = ExitCode.USAGE
