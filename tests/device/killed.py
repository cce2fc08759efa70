"""Pushes, and is killed as soon as a step begins: python killed.py PICKLE STEP."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

from compiler.device.job import Progress
from compiler.device.push import push
from compiler.model.step import StepName


def main(pickled: str, step: str) -> None:
    job, options = pickle.loads(Path(pickled).read_bytes())  # noqa: S301 - written by the test

    def listen(progress: Progress) -> None:
        if progress.step is StepName(step):
            os.kill(os.getpid(), signal.SIGKILL)

    push(job, options, listen)


main(*sys.argv[1:])
