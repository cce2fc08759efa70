"""Scripts on a router's own shell, one after the other on one channel.

Every script is sent as one function and called on the last line: a line that is cut while the
script is on its way runs nothing. Its exit status comes back behind a marker that nothing else can
print, on both outputs, so that output of any kind and size is told apart from what the next script
prints.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from compiler.errors import LostError, TransportError
from compiler.model.finding import Code

#: More than any router's settings; a router that prints without end must not fill the memory.
MOST_BYTES = 64 * 1024 * 1024

#: Told of every ``mark NAME`` in a script while it runs.
OnMark = Callable[[str], None]


class Pipe(Protocol):
    """A running program: what it is sent, what it prints, and how it ended."""

    def send(self, data: bytes, timeout: float) -> None:
        """Send bytes to its standard input."""
        ...

    def receive(self, timeout: float) -> tuple[bytes, bytes] | None:
        """Wait for bytes of standard output and error; ``None`` when it has ended.

        Raises:
            TimeoutError: nothing came.
        """
        ...

    def status(self) -> int | None:
        """Give the exit status of a program that has ended, if it is known."""
        ...

    def close(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script printed: by section (``mark NAME`` begins one), standard error apart."""

    status: int
    sections: Mapping[str, str]
    err: str

    def __getitem__(self, name: str) -> str:
        """Give a section's text; nothing where the script did not come that far."""
        return self.sections.get(name, "")


class Shell:
    """A POSIX shell that reads scripts from its standard input (``sh -s``)."""

    def __init__(self, pipe: Pipe, name: str) -> None:
        """Take a pipe to a shell; ``name`` is the router's, for messages."""
        self._pipe = pipe
        self._name = name
        self._broken = False

    @property
    def usable(self) -> bool:
        """Tell whether the last script came to its end, so that another can be run."""
        return not self._broken

    def run(
        self,
        script: str,
        timeout: float,
        on_mark: OnMark | None = None,
        *,
        at_once: bool = False,
    ) -> Answer:
        """Run a script; ``exit`` in it ends the script and not the shell.

        ``timeout`` is for each step of it: from its begin or a ``mark`` to the next. ``at_once``
        has the router gather all that it prints to standard output: it sends every line that is
        printed as a packet of its own, and each costs both ends more than what is in it.

        Raises:
            LostError: S806 the connection broke off, S807 it took too long. The script may have
                run or not, to its end or not.
            TransportError: S808 there is no shell at the far end.
        """
        token = f"passthru-{secrets.token_hex(16)}"
        deadline = time.monotonic() + timeout

        def marked(name: str) -> None:
            nonlocal deadline
            deadline = time.monotonic() + timeout
            if on_mark is not None:
                on_mark(name)

        reading = _Reading(token, marked)
        self._broken = True
        try:
            self._pipe.send(_framed(script, token, at_once=at_once), timeout)
            while not reading.complete:
                came = self._pipe.receive(max(0.0, deadline - time.monotonic()))
                if came is None:
                    raise self._ended(reading)
                reading.add(*came)
        except TimeoutError:
            raise LostError.of(
                Code.S807, f"{self._name} did not answer within {timeout:.0f} s"
            ) from None
        except OSError as error:
            raise LostError.of(
                Code.S806, f"the connection to {self._name} broke off ({error.strerror or 'EOF'})"
            ) from None
        self._broken = False
        return reading.answer()

    def _ended(self, reading: _Reading) -> TransportError:
        status = self._pipe.status()
        if status is not None and status >= 0 and reading.silent:
            told = reading.stray_text()
            return TransportError.of(
                Code.S808,
                f"{self._name} gives no shell (exit status {status}){told}",
                hint="the account must run commands: `ssh USER@HOST sh -s`",
            )
        return LostError.of(Code.S806, f"the connection to {self._name} broke off")

    def close(self) -> None:
        """End the shell."""
        self._pipe.close()


def _framed(script: str, token: str, *, at_once: bool = False) -> bytes:
    call = "passthru_run </dev/null; printf '"
    if at_once:
        call = "whole=$(passthru_run </dev/null); printf '%s\\n"
    rest = '"$whole" "$?"' if at_once else '"$?"'
    return (
        "passthru_run() (\n"
        f"mark() {{ printf '\\n{token} %s\\n' \"$*\"; }}\n"
        f"{script.rstrip()}\n"
        ")\n"
        f"{call}\\n{token}=%s\\n' {rest}; printf '\\n{token}=\\n' >&2\n"
    ).encode()


class _Reading:
    """Output as it comes; finds the marks of one script in it."""

    def __init__(self, token: str, on_mark: OnMark) -> None:
        self._mark = f"\n{token}".encode()
        self._on_mark = on_mark
        self._out = bytearray()
        self._err = bytearray()
        self._from = 0
        self._section = ""
        self._sections: dict[str, bytes] = {}
        self._begin = 0
        self._status: int | None = None
        self._told_err = False

    @property
    def complete(self) -> bool:
        return self._status is not None and self._told_err

    @property
    def silent(self) -> bool:
        """Tell whether the script never said anything: it may not have been run at all."""
        return not self._sections and self._status is None

    def add(self, out: bytes, err: bytes) -> None:
        self._out += out
        self._err += err
        if len(self._out) + len(self._err) > MOST_BYTES:
            raise LostError.of(Code.S808, "the router prints without end")
        if out:
            self._look()
        if err and self._mark + b"=\n" in self._err:
            self._told_err = True

    def _look(self) -> None:
        while self._status is None:
            at = self._out.find(self._mark, self._from)
            end = self._out.find(b"\n", at + 1) if at >= 0 else -1
            if end < 0:
                self._from = max(self._begin, at if at >= 0 else len(self._out) - len(self._mark))
                return
            word = bytes(self._out[at + len(self._mark) : end])
            self._sections[self._section] = bytes(self._out[self._begin : at])
            self._begin = self._from = end + 1
            if word.startswith(b"="):
                self._status = int(word[1:]) if word[1:].isdigit() else 255
            else:
                self._section = word.strip().decode("ascii", "replace")
                self._on_mark(self._section)

    def answer(self) -> Answer:
        err, _, _ = bytes(self._err).partition(self._mark + b"=")
        sections = {name: _text(text) for name, text in self._sections.items()}
        return Answer(self._status if self._status is not None else 255, sections, _text(err))

    def stray_text(self) -> str:
        text = _text(bytes(self._out + self._err)).strip().splitlines()
        shown = "".join(char if char.isprintable() else "?" for char in text[-1]) if text else ""
        return f": {shown[:120]}" if shown else ""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
