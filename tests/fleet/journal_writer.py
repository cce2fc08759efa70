"""Write a run of so many routers to a journal, and say each one when it is recorded."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from compiler.device.job import Change, Result, State
from compiler.fleet.journal import Entry, Journal, Kind, Outcome
from tests.fleet.fakes import names, observed


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


folder, run, number, *hold = sys.argv[1:]
hosts = names(int(number))
journal = Journal(Path(folder))
mark = journal.store.mark(run)
journal.begin(run, Kind.PUSH, "me", "p", [Entry(host, "fake", "b") for host in hosts])
say("begun")
for index, host in enumerate(hosts):
    journal.begin_hosts(run, [host])
    before, after = observed(f"{run} {index}" * 50), observed("new")
    changes = (Change("a", str(index), "2"),)
    journal.record(run, Result(host, State.CHANGED, None, (), changes, before, after))
    say(host)
if hold:
    say("holding")
    signal.pause()
journal.end(run, Outcome.DONE)
mark.release()
journal.close()
