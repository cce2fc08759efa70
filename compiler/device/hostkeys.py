"""Host keys: looked up in known_hosts, never taken on trust unless a user says so.

The files are read once and kept by name, since a fleet asks for thousands of names.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.errors import TransportError
from compiler.model.finding import Code

if TYPE_CHECKING:
    import paramiko

_writing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Known:
    """The lines of one known_hosts file; a key is its type and its base64 text."""

    plain: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    hashed: list[tuple[bytes, bytes, str, str]] = field(default_factory=list)
    patterns: list[tuple[tuple[str, ...], str, str]] = field(default_factory=list)
    revoked: frozenset[str] = frozenset()

    def keys(self, name: str) -> list[tuple[str, str]]:
        """Give the keys that a name is known to have."""
        found = list(self.plain.get(name, ()))
        for salt, digest, kind, text in self.hashed:
            if hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest):
                found.append((kind, text))
        for patterns, kind, text in self.patterns:
            if _fits(name, patterns):
                found.append((kind, text))
        return found


def host_name(address: str, port: int) -> str:
    """Give the name that known_hosts uses for an address."""
    return address if port == 22 else f"[{address}]:{port}"


class HostKeys:
    """The host keys of one router; ``accept_new`` takes and keeps the key of an unknown one."""

    def __init__(self, name: str, files: tuple[str, ...], *, accept_new: bool) -> None:
        """Look the name up; files that are missing hold nothing."""
        self._name = name
        self._files = tuple(Path(file).expanduser() for file in files)
        self._accept_new = accept_new
        known = [_read(*stamp) for file in self._files if (stamp := _stamp(file))]
        self._keys = [key for each in known for key in each.keys(name)]
        self._revoked = {text for each in known for text in each.revoked}

    @property
    def kinds(self) -> tuple[str, ...]:
        """Types of the keys that are known: the router is asked for one of them."""
        return tuple(dict.fromkeys(kind for kind, _ in self._keys))

    def check(self, key: paramiko.PKey) -> None:
        """See that a key is the router's.

        Raises:
            TransportError: S802 nothing is known of this router, S803 it is another key.
        """
        kind, text = key.get_name(), key.get_base64()
        if (kind, text) in self._keys and text not in self._revoked:
            return
        shown = f"{kind} {fingerprint(key)}"
        if text in self._revoked:
            raise TransportError.of(
                Code.S803, f"{self._name} shows a key that is marked as revoked: {shown}"
            )
        if self._keys:
            raise TransportError.of(
                Code.S803,
                f"{self._name} shows a host key that is not the one in known_hosts: {shown}",
                hint="somebody may listen in. If the router was reset or replaced: "
                f"ssh-keygen -R '{self._name}', then --accept-new",
            )
        if not self._accept_new:
            raise TransportError.of(
                Code.S802,
                f"the host key of {self._name} is not in known_hosts: {shown}",
                hint="compare the fingerprint with the router's, then use --accept-new",
            )
        self._keep(kind, text)

    def _keep(self, kind: str, text: str) -> None:
        """Add a line in one write to the end of the file, so that pushes at once lose none."""
        file = self._files[0]
        line = f"{self._name} {kind} {text}\n".encode()
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _writing:
                handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    size = os.fstat(handle).st_size
                    if size and os.pread(handle, 1, size - 1) != b"\n":
                        line = b"\n" + line
                    os.write(handle, line)
                finally:
                    os.close(handle)
        except OSError as error:
            raise TransportError.of(
                Code.S802, f"the new host key of {self._name} cannot be kept: {error.strerror}"
            ) from None


def fingerprint(key: paramiko.PKey) -> str:
    """Give the SHA-256 fingerprint as ssh-keygen prints it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def _stamp(file: Path) -> tuple[str, int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return str(file), stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int) -> Known:  # noqa: ARG001 - cache keys
    known = Known()
    revoked: set[str] = set()
    try:
        lines = Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return known
    for line in lines:
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        names, kind, text = words[:3]
        if marker == "@revoked":
            revoked.add(text)
        elif not marker:  # certificate authorities are not asked here
            _add(known, names, kind, text)
    return Known(known.plain, known.hashed, known.patterns, frozenset(revoked))


def _add(known: Known, names: str, kind: str, text: str) -> None:
    if names.startswith("|1|"):
        parts = names.split("|")
        try:
            salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
        except (binascii.Error, ValueError, IndexError):
            return
        known.hashed.append((salt, digest, kind, text))
    elif any(char in names for char in "*?!"):
        known.patterns.append((tuple(names.split(",")), kind, text))
    else:
        for name in names.split(","):
            known.plain.setdefault(name, []).append((kind, text))


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    def matches(pattern: str) -> bool:
        # brackets stand for themselves: [HOST]:PORT
        return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))

    if any(pattern[:1] == "!" and matches(pattern[1:]) for pattern in patterns):
        return False
    return any(pattern[:1] != "!" and matches(pattern) for pattern in patterns)
