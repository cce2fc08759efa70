"""What may be asked of one router: to push to it, to look at it, and what a push would change."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.build.registry import installed
from compiler.device import transports
from compiler.device.job import Change, Job, Listener, Observed, Options, Result, State
from compiler.device.outcome import Outcome
from compiler.device.plan import Goal
from compiler.device.transaction import Transaction
from compiler.errors import PassthruError, TransportError
from compiler.model.target import Target

if TYPE_CHECKING:
    from compiler.device.http.transaction import WebTransaction


def push(job: Job, options: Options, listen: Listener | None = None) -> Result:
    """Bring a job's settings onto its router, or leave it as it was.

    Whatever goes wrong is in the result; only bugs raise.
    """
    began = time.monotonic()
    try:
        transaction = _begun(job, options, listen)
    except PassthruError as error:
        return Outcome(job).result(State.REFUSED, *error.findings)
    try:
        result = transaction.run()
    except TransportError as error:
        result = transaction.result(State.UNREACHABLE, *error.findings)
    except PassthruError as error:
        result = transaction.result(State.REFUSED, *error.findings)
    finally:
        transaction.close()
    return replace(result, seconds=time.monotonic() - began)


def observe(job: Job, options: Options) -> Observed:
    """Ask a router what it has; nothing is written.

    Raises:
        PassthruError: it cannot be reached or read.
    """
    transaction = _begun(job, options, None)
    try:
        return transaction.observe()
    finally:
        transaction.close()


def changes_of(job: Job, observed: Observed) -> tuple[Change, ...]:
    """Give what a push of this job would change on a router in this state.

    Raises:
        NativeError: the router's text cannot be read, or cannot take our settings.
    """
    return Goal(_target(job), job).changes(observed)


def _begun(job: Job, options: Options, listen: Listener | None) -> Transaction | WebTransaction:
    target = _target(job)
    goal = Goal(target, job)
    procedure = goal.procedure()
    transports.possible(procedure, job.device.target, job.host)
    if procedure.transport != "http":
        return Transaction(goal, procedure, job, options, listen)
    from compiler.device.http.transaction import WebTransaction  # noqa: PLC0415 - most need none

    return WebTransaction(target, goal, procedure, job, options, listen)


def _target(job: Job) -> Target[object]:
    return installed().get(job.device.target)
