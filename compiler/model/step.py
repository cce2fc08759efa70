"""The steps of a push to a router."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StepName(StrEnum):
    """The steps of a procedure, in their order."""

    FACTS = "facts"
    READ = "read"
    STAGE = "stage"
    CHECK = "check"
    ARM = "arm"
    APPLY = "apply"
    VERIFY = "verify"
    CONFIRM = "confirm"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: POSIX sh for the router's own shell (BusyBox ash), or a request document.

    ``script`` runs with the staged bundle as working directory; exit status 0 is success
    and nothing else is. ``request`` is the path of a request document in the bundle, for
    routers without a usable shell. ``says`` tells a person what the step does.
    """

    name: StepName
    says: str
    script: str = ""
    request: str = ""
