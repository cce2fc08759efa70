"""A clock that ticks when the kernel has handed every packet on, however busy the machine is.

Links of a lab are veth pairs: what is sent is queued for the CPU that sends, first in, first out,
for all namespaces together. A frame that was sent after a packet, on the same CPU, and has arrived
over a link of its own proves that the packet has come over its first link too. A lab's packets
cross two links, with answers of the router three, so some ticks are enough, and nobody has to guess
how long to sleep.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from compiler.errors import ProofError
from compiler.model.finding import Code
from compiler.prove.lab.namespaces import Namespace

#: EtherType for local experiments (IEEE 802, 88-B5).
_EXPERIMENT = 0x88B5
_TICKS = 4
_SECONDS = 30


class Clock:
    """A link from nowhere to nowhere, in a namespace of its own."""

    def __init__(self) -> None:
        """Build the link."""
        self._namespace = Namespace("clock")
        self._namespace.ip("link add t0 type veth peer name t1", "link set t0 up", "link set t1 up")
        self._ends = [self._open(name) for name in ("t0", "t1")]

    def _open(self, name: str) -> socket.socket:
        # bound in one step with the protocol: nothing else may be queued before
        end = self._namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        end.bind((name, _EXPERIMENT))
        return end

    def wait(self) -> None:
        """Come back when all packets that this thread has sent are where they end."""
        out, back = self._ends
        for _ in range(_TICKS):
            out.send(b"\xff" * 6 + b"\x02\0\0\0\0\x01" + _EXPERIMENT.to_bytes(2, "big") + bytes(46))
            if not select.select([back], [], [], _SECONDS)[0]:
                raise ProofError.of(Code.E802, "the lab's links do not carry packets")
            back.recv(128)

    def close(self) -> None:
        """Remove the link."""
        for end in self._ends:
            end.close()
        self._namespace.close()


@contextmanager
def one_cpu() -> Iterator[None]:
    """Keep this thread on one CPU, so that what it sends is handed on in order."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
