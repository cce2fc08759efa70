"""SIGTERM and SIGHUP: every command leaves in order."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Site
from tests.embedded.support import until

LOSES_IT = """
import os, signal, time, weakref
from compiler.cli import signals

def told(*_):
    os.kill(os.getpid(), signal.SIGTERM)

class Thing:
    pass

with signals.heeded():
    try:
        thing = Thing()
        callback = weakref.ref(thing, told)
        del thing  # what is raised in there goes nowhere
        time.sleep(30)
    finally:
        told()
        time.sleep(0.5)
        print("all is put away")
"""


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_told_to_end_leaves_nothing(site: Site, number: int) -> None:
    """It is ended with a folder put aside; its report has nowhere to go."""
    aside = site.folder / "tmp"
    aside.mkdir()
    site.write({"saved/r1.nft": ""})
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    heard = f"--default-signal={number}"  # those who run the tests may have it ignored
    program = ["env", heard, sys.executable, "-m", "compiler"]
    with subprocess.Popen(
        [*program, "audit", "--no-journal", "--from", "saved"], stdout=write,
        stderr=subprocess.DEVNULL, cwd=site.folder, env=_environment(TMPDIR=str(aside)),
    ) as running:  # fmt: skip
        try:
            assert until(lambda: any(aside.iterdir()))
            running.send_signal(number)
            assert running.wait(30) == 128 + number
        finally:
            running.kill()
    os.close(read)
    os.close(write)
    assert list(aside.iterdir()) == []


def test_it_ends_though_an_exception_is_lost_and_cleaning_up_is_not_cut() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSES_IT], env=_environment(), capture_output=True, check=False,
        text=True, timeout=20,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (143, "all is put away\n")
