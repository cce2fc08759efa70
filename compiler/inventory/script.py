"""Run executable inventories: bounded in time and output, without a shell.

See https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#inventory-scripts
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from compiler.errors import InventoryError, PassthruError
from compiler.model.finding import Code, Place

MAX_BYTES = 64 * 1024 * 1024
_MAX_COMPLAINT = 64 * 1024
_CHUNK = 64 * 1024


class NotAProgramError(Exception):
    """The system cannot run the file: it is text after all."""


@dataclass(frozen=True, slots=True)
class Script:
    """An inventory that is a program."""

    path: Path
    seconds: float

    def run(self, *arguments: str) -> str:
        """Run the program and give what it prints.

        Raises:
            NotAProgramError: the file has no format that the system can run.
            InventoryError: I209, it fails, takes too long, prints too much or no UTF-8.
        """
        try:
            process = subprocess.Popen(
                [str(self.path.absolute()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise NotAProgramError(str(error)) from None
        with process:
            try:
                output, complaint = self._collect(process)
            except BaseException:
                _kill(process)
                raise
        if process.returncode != 0:
            last = complaint.decode(errors="replace").strip().splitlines()[-1:]
            raise self.error(f"ended with status {process.returncode}", *last)
        try:
            return output.decode()
        except UnicodeDecodeError:
            raise self.error("printed something that is not UTF-8") from None

    def error(self, what: str, detail: str = "") -> PassthruError:
        """Build the finding for a failure of this program."""
        told = f": {detail[:200]}" if detail else ""
        message = f"the inventory script '{self.path}' {what}{told}"
        return InventoryError.of(Code.I209, message, Place(str(self.path)))

    def _collect(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + self.seconds
        output, complaint = bytearray(), bytearray()
        with selectors.DefaultSelector() as selector:
            for stream, kept in ((process.stdout, output), (process.stderr, complaint)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, kept)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._too_slow()
                for key, _ in selector.select(left):
                    chunk = os.read(key.fd, _CHUNK)
                    key.data.extend(chunk)
                    if not chunk:
                        selector.unregister(key.fileobj)
                del complaint[:-_MAX_COMPLAINT]
                if len(output) > MAX_BYTES:
                    raise self.error(f"printed more than {MAX_BYTES // 1024 // 1024} MiB")
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            raise self._too_slow() from None
        return bytes(output), bytes(complaint)

    def _too_slow(self) -> PassthruError:
        return self.error(f"took longer than {self.seconds:g} seconds")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the program and its children: it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
