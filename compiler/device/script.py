"""What is sent to a router's shell: the printed templates, and files as shell commands."""

from __future__ import annotations

import hashlib
import posixpath
import re
import shlex
import threading
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from compiler.device.job import Options
from compiler.model.step import StepName
from compiler.model.target import Bundle, File, Guard, Procedure
from compiler.source.printing import environment

if TYPE_CHECKING:
    from jinja2 import Environment

#: Text that every shell hands on as it is: ash keeps some bytes above 127 for itself.
_PLAIN = re.compile(rb"(?:[\t\x20-\x7e]*\n)*")
_OCTAL_LINE = 128
#: Stands for the token in what is kept for the next router; no file or command holds it.
_TOKEN = "\x1apassthru-token\x1a"  # noqa: S105 - no secret
_printing = threading.Lock()
_UNSAFE = re.compile(r"[^A-Za-z0-9_.@:+-]")


class Status(IntEnum):
    """Exit statuses of the script that begins a push, where it ends before anything is applied."""

    REFUSED = 101
    BROKEN = 102
    BUSY = 103
    UNARMED = 104
    UNFINISHED = 105


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts of one transaction; ``token`` is its own and nobody else's."""

    procedure: Procedure
    guard: Guard
    token: str

    def observe(self) -> str:
        """Print facts, tools, what an earlier dead-man left, and the managed settings."""
        return self._print(
            "observe.sh.j2",
            facts=self._step(StepName.FACTS),
            read=self._step(StepName.READ),
        )

    def begin(self, bundle: Bundle, tools: Collection[str], options: Options, window: int) -> str:
        """Take the lease, stage, check, arm, apply. ``window`` is how long the dead-man waits."""
        digest = next((tool for tool in DIGESTS if tool in tools), "")
        return self._print(
            "begin.sh.j2",
            owner=word(options.operator),
            run=word(options.run),
            seconds=int(options.deadline) + window,
            status=Status,
            files=_staged(bundle.files),
            sums=_summed(bundle.files, digest) if digest else "",
            stage=self._step(StepName.STAGE),
            check=self._step(StepName.CHECK),
            arm=self._step(StepName.ARM),
            apply=self._step(StepName.APPLY),
            dead_man=self._guard(options, window),
        )

    def after(self, patience: int) -> str:
        """Say how things stand, verify, and read."""
        return self._print(
            "after.sh.j2",
            patience=patience,
            facts=self._step(StepName.FACTS),
            verify=self._step(StepName.VERIFY),
            read=self._step(StepName.READ),
        )

    def end(self, how: str) -> str:
        """Confirm, or return to the old state; the answer is how it really ended."""
        return self._print("end.sh.j2", how=how)

    def _guard(self, options: Options, window: int) -> str:
        text = self._alike(
            "guard.sh.j2",
            run=word(options.run),
            window=window,
            undo=self._step(StepName.ROLLBACK),
            settle=self._step(StepName.CONFIRM),
        )
        return text.rstrip("\n")

    def _print(self, template: str, **values: Hashable) -> str:
        return self._alike(template, **values).replace(_TOKEN, self.token)

    def _alike(self, template: str, **values: Hashable) -> str:
        """Print a template; only the token, which is yet to come, is not the same for all."""
        with _printing:  # fifty routers ask for the same text at the same time
            return _printed(template, guard=self.guard, token=_TOKEN, **values)

    def _step(self, name: StepName) -> str:
        step = self.procedure.step(name)
        return step.script.rstrip("\n") if step else ""


@lru_cache(maxsize=128)
def _printed(template: str, **values: Hashable) -> str:
    return _environment().get_template(template).render(**values)


@lru_cache(maxsize=128)
def _staged(files: tuple[File, ...]) -> str:
    return "\n".join(_files(files))


@lru_cache(maxsize=128)
def _summed(files: tuple[File, ...], tool: str) -> str:
    return "\n".join(_sums(files, tool))


def word(text: str) -> str:
    """Give a name as one word that no shell, path or ``ls`` mistakes for anything else."""
    return _UNSAFE.sub("_", text)[:64] or "unknown"


def _files(files: Sequence[File]) -> Iterator[str]:
    """Give commands that write files below the working directory, with any bytes in them.

    Plain text goes as it is, the rest as octal numbers, both for ``printf``, which is a part of
    every shell: no process is started, and base64, which small routers do without, is not needed.
    Modes are not set: nobody else gets at the staged files, and a family gives them to what it puts
    in place.
    """
    folders = {posixpath.dirname(file.path) for file in files} - {""}
    if folders:
        yield f"mkdir -p {' '.join(map(shlex.quote, sorted(folders)))} || exit {Status.BROKEN}"
    for file in files:
        text = _quoted(file.content) if _PLAIN.fullmatch(file.content) else _octal(file.content)
        yield f"{{\n{text}\n}} >{_path(file)} || exit {Status.BROKEN}"


def _path(file: File) -> str:
    return shlex.quote(f"./{file.path}")


def _quoted(content: bytes) -> str:
    return f"printf '%s' {shlex.quote(content.decode('ascii'))}"


def _octal(content: bytes) -> str:
    lines = [content[n : n + _OCTAL_LINE] for n in range(0, len(content), _OCTAL_LINE)]
    return "\n".join(
        "printf '" + "".join(f"\\{byte:03o}" for byte in line) + "'" for line in lines
    ) or "true"  # fmt: skip


def _sums(files: Sequence[File], tool: str) -> Iterator[str]:
    """Give the comparison of checksums: what one call of the tool prints of all files."""
    if not files:
        return
    lines = "\n".join(_sum(file, tool) for file in files)
    names = ", ".join(file.path for file in files)
    yield (
        f'sums=$({tool} {" ".join(map(_path, files))}) && [ "$sums" = {shlex.quote(lines)} ] || '
        f"fail {Status.BROKEN} {shlex.quote(f'not all of this arrived whole: {names}')}"
    )


def _sum(file: File, tool: str) -> str:
    shown = f"./{file.path}"
    if tool == "cksum":
        return f"{_cksum(file.content)} {len(file.content)} {shown}"
    return f"{digest(file.content, tool)}  {shown}"


#: Tools that tell a damaged file, the best first.
DIGESTS = ("sha256sum", "md5sum", "cksum")


def digest(content: bytes, tool: str) -> str:
    """Give the first word that a tool prints of some bytes."""
    if tool == "cksum":
        return str(_cksum(content))
    name = tool.removesuffix("sum")
    return hashlib.new(name, content, usedforsecurity=False).hexdigest()


@cache
def _table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        value = number << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return tuple(table)


def _cksum(content: bytes) -> int:
    """Give the CRC of POSIX cksum: the bytes, then their number from its lowest byte on."""
    length = len(content)
    tail = length.to_bytes((length.bit_length() + 7) // 8, "little")
    value = 0
    for byte in content + tail:
        value = ((value << 8) & 0xFFFFFFFF) ^ _table()[(value >> 24) ^ byte]
    return value ^ 0xFFFFFFFF


@cache
def _environment() -> Environment:
    return environment("compiler.device")
