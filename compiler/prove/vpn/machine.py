"""Start the guest, read what it reports, and end it whatever happens.

Nothing is left behind, not even by ``kill -9``: archive and console are files in memory, and the
kernel ends the child with the thread that started it (``PR_SET_PDEATHSIG``, set by ``setpriv``).
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from compiler.prove.vpn import initramfs, program
from compiler.prove.vpn.kernel import Kernel, cache

Event = Mapping[str, Any]
_QEMU = "qemu-system-x86_64"
#: The emulator needs no rights. ``-cpu max`` brings AES and a source of random numbers.
_OPTIONS = (
    "-nodefaults -no-user-config -no-reboot -display none -accel tcg,thread=multi -cpu max"
    " -m 1024 -smp 2"
)
_KERNEL_LINE = "console=ttyS0 panic=-1 quiet mitigations=off norandmaps"


class GuestError(Exception):
    """The guest ended, hung or reported a failure; ``last`` are the last lines it printed."""

    def __init__(self, message: str, last: Sequence[str] = ()) -> None:
        """Keep the lines apart from the message."""
        super().__init__(message)
        self.last = tuple(last)


def in_machine(kernel: Kernel, job: Mapping[str, Any], seconds: float) -> Generator[Event]:
    """Run a job in a virtual machine.

    Raises:
        GuestError: the machine did not start, died, or was not ready in time.
    """
    packed, unpacked = program.pack(job), cache() / "root"
    shares = {"host": Path("/"), **({"above": unpacked} if unpacked.is_dir() else {})}
    python = os.path.realpath(sys.executable)
    start = initramfs.build(kernel, packed, python, above="above" in shares)
    with _memory("initramfs", start) as archive, _memory("console") as console:
        command = [
            _QEMU, *_OPTIONS.split(),
            *(word for tag, path in shares.items() for word in ("-virtfs", _share(tag, path))),
            "-kernel", str(kernel.image),
            "-initrd", f"/dev/fd/{archive}",
            "-append", _KERNEL_LINE,
            "-serial", f"file:/dev/fd/{console}",
            "-serial", "stdio",
        ]  # fmt: skip
        yield from _events(command, (archive, console), seconds, lambda: _tail(console))


def _share(tag: str, path: Path) -> str:
    """Share a folder read-only; without ``remap`` file numbers of several file systems collide."""
    escaped = str(path.resolve()).replace(",", ",,")
    rest = "security_model=none,readonly=on,multidevs=remap"
    return f"local,path={escaped},mount_tag={tag},{rest}"


def in_namespaces(job: Mapping[str, Any], seconds: float) -> Generator[Event]:
    """Run a job in namespaces of this machine; without root in a user namespace.

    Raises:
        GuestError: there are no namespaces here, or the program died or was not ready in time.
    """
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    with _memory("program", program.pack(job)) as packed, _memory("errors") as errors:
        command = [
            "unshare", *user, "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child",
            "--mount-proc",
            sys.executable, "-I", "-S", "-B", f"/dev/fd/{packed}", "-",
        ]  # fmt: skip
        yield from _events(command, (packed, errors), seconds, lambda: _tail(errors), errors)


def _events(
    command: Sequence[str],
    files: Sequence[int],
    seconds: float,
    tail: Callable[[], list[str]],
    errors: int | None = None,
) -> Generator[Event]:
    """Give the events until the guest is done."""
    until = time.monotonic() + seconds
    said: list[str] = []
    with _child(command, files, errors) as output:
        for line in _lines(output, until):
            event = _parse(line)
            if event is None:
                said.append(line)
            elif event["kind"] == "done":
                return
            elif event["kind"] == "error":
                message = str(event.get("message", "")).strip()
                raise GuestError(message.splitlines()[-1] if message else "?", message.splitlines())
            else:
                yield event
    last = [*said, *tail()][-20:]
    if time.monotonic() >= until:
        raise GuestError(f"it was not done after {seconds:.0f} s and has been stopped", last)
    raise GuestError("it ended before it was done", last)


@contextmanager
def _child(command: Sequence[str], files: Sequence[int], errors: int | None) -> Iterator[IO[bytes]]:
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors is None else errors,
        pass_fds=tuple(files),
        start_new_session=True,  # Ctrl-C is ours to handle
    )
    if process.stdout is None:  # pragma: no cover - it was asked for
        raise AssertionError
    try:
        yield process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _lines(output: IO[bytes], until: float) -> Iterator[str]:
    """Give whole lines until the end of the output or the time."""
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            if not selector.select(left):
                continue
            data = os.read(output.fileno(), 65536)
            if not data:
                return
            *whole, pending = (pending + data).split(b"\n")
            yield from (line.decode("utf-8", "replace").strip() for line in whole)


def _parse(line: str) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None


@contextmanager
def _memory(name: str, content: bytes = b"") -> Iterator[int]:
    """Give a file that has no name anywhere."""
    fd = os.memfd_create(f"passthru-{name}", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as into:
            into.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _tail(fd: int) -> list[str]:
    size = os.fstat(fd).st_size
    text = os.pread(fd, 8192, max(0, size - 8192)).decode("utf-8", "replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
