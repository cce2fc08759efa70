"""The output folder: ``OUT/HOST/...`` and ``OUT/manifest.json``.

Each host's folder is written aside and renamed into place, so a reader sees the old bundle or the
new one, never half of each. A folder that is current is not touched. A folder that we did not
write is never replaced or pruned.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.build.lock import alone
from compiler.build.manifest import HOST_SCHEMA, NAME, SITE_SCHEMA, host_manifest, site_manifest
from compiler.build.plan import Compiled
from compiler.build.swap import swap
from compiler.errors import OutputError
from compiler.model.finding import Code, Finding, Place
from compiler.model.target import File

ASIDE = ".passthru-"


@dataclass(frozen=True, slots=True)
class Written:
    """What a run did to the output folder: names of hosts."""

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(slots=True)
class Output:
    """One output folder."""

    root: Path
    policy_hash: str
    _known: dict[str, dict[str, str]] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = self._read_manifest()

    def stale(self, compiled: Mapping[str, Compiled], *, whole: bool) -> Iterator[str]:
        """Say what differs between the folder and what would be written."""
        for name, item in compiled.items():
            folder = self.root / name
            if not folder.is_dir():
                yield f"{name}: missing"
                continue
            yield from (f"{name}: {problem}" for problem in _differences(folder, self._files(item)))
        if whole:
            yield from (f"{name}: no longer in the policy" for name in self._gone(compiled))
        expected = site_manifest(self._entries(compiled, prune=whole), self.policy_hash)
        if _read(self.root / NAME) != expected:
            yield f"{NAME}: differs"

    def write(self, compiled: Mapping[str, Compiled], *, whole: bool, prune: bool) -> Written:
        """Write every bundle; with ``prune``, remove those of hosts that are gone.

        ``whole``: the run covers all hosts (no ``--limit``), so what is not in it is gone.

        Raises:
            OutputError: B701 cannot be written, B703 something there is not ours. Nothing is
                renamed into place before all bundles are written aside.
        """
        self._refuse_foreign(compiled)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with alone(self.root):
                return self._write(compiled, whole=whole, prune=prune)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError.of(
                Code.B701, f"cannot write '{error.filename or self.root}': {reason}"
            ) from None

    def _write(self, compiled: Mapping[str, Compiled], *, whole: bool, prune: bool) -> Written:
        self._known = self._read_manifest()  # another run may have written since
        self._refuse_foreign(compiled)
        gone = self._gone(compiled) if whole else []
        self._remove_aside()
        aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=self.root))
        try:
            written = self._replace(compiled, aside)
            for number, name in enumerate(gone if prune else ()):
                (self.root / name).rename(aside / f"gone-{number}")
            entries = self._entries(compiled, prune=whole and prune)
            _write_file(aside, File(NAME, site_manifest(entries, self.policy_hash)))
            if _read(self.root / NAME) != (aside / NAME).read_bytes():
                (aside / NAME).replace(self.root / NAME)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        pruned, left = (tuple(gone), ()) if prune else ((), tuple(gone))
        return Written(*written, pruned, left)

    def _replace(
        self, compiled: Mapping[str, Compiled], aside: Path
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        new: list[tuple[str, int]] = []
        changed: list[tuple[str, int]] = []
        same: list[str] = []
        for number, (name, item) in enumerate(compiled.items()):
            files = self._files(item)
            folder = self.root / name
            if folder.is_dir() and not any(_differences(folder, files)):
                same.append(name)
                continue
            (changed if folder.exists() else new).append((name, number))
            for file in files:
                _write_file(aside / f"new-{number}", file)
        for name, number in changed:
            swap(aside / f"new-{number}", self.root / name)
        for name, number in new:
            (aside / f"new-{number}").rename(self.root / name)
        return tuple(n for n, _ in new), tuple(n for n, _ in changed), tuple(same)

    def _entries(
        self, compiled: Mapping[str, Compiled], *, prune: bool
    ) -> dict[str, dict[str, str]]:
        kept = {} if prune else {n: e for n, e in self._known.items() if (self.root / n).is_dir()}
        for name, item in compiled.items():
            digest = self._digests.get(name) or self._manifest(item).sha256
            kept[name] = {"target": item.router.device.target, "sha256": digest}
        return kept

    def _files(self, compiled: Compiled) -> tuple[File, ...]:
        return (*compiled.bundle.files, self._manifest(compiled))

    def _manifest(self, compiled: Compiled) -> File:
        found = host_manifest(compiled, self.policy_hash)
        self._digests[compiled.router.device.name] = found.sha256
        return found

    def _gone(self, compiled: Mapping[str, Compiled]) -> list[str]:
        known = [name for name in self._known if name not in compiled]
        return sorted(name for name in known if _is_ours(self.root / name))

    def _refuse_foreign(self, compiled: Mapping[str, Compiled]) -> None:
        findings = []
        for name in compiled:
            folder = self.root / name
            if (folder.exists() or folder.is_symlink()) and not _is_ours(folder):
                findings.append(
                    Finding(
                        Code.B703,
                        f"'{folder}' exists and is not a bundle of passthru",
                        place=Place(str(folder)),
                        hint="choose another --out, or move it away",
                    )
                )
        if findings:
            raise OutputError(findings)

    def _read_manifest(self) -> dict[str, dict[str, str]]:
        path = self.root / NAME
        raw = _read(path)
        if raw is None:
            return {}
        data = _json(raw)
        hosts: Any = data.get("hosts") if isinstance(data, dict) else None
        known = isinstance(hosts, dict) and data.get("schema") == SITE_SCHEMA
        if not known or not all(map(_is_entry, hosts, hosts.values())):
            raise OutputError.of(
                Code.B703,
                f"'{path}' is not a manifest of passthru",
                Place(str(path)),
                "choose another --out, or move it away",
            )
        return {name: dict(entry) for name, entry in hosts.items()}

    def _remove_aside(self) -> None:
        """Remove what a killed run left behind."""
        for entry in self.root.glob(f"{ASIDE}*"):
            shutil.rmtree(entry, ignore_errors=True)


def _is_entry(name: str, entry: Any) -> bool:
    """Tell whether a manifest may say this of a host, whose folder is nowhere but in its own."""
    return name not in ("", "..") and Path(name).name == name and isinstance(entry, dict)


def _differences(folder: Path, files: tuple[File, ...]) -> Iterator[str]:
    wanted = {file.path: file for file in files}
    for path, file in wanted.items():
        raw = _read(folder / path)
        if raw is None:
            yield f"{path} is missing"
        elif hashlib.sha256(raw).hexdigest() != file.sha256:
            yield f"{path} differs"
        elif (folder / path).stat().st_mode & 0o777 != file.mode:
            yield f"{path} has another mode"
    for found in sorted(folder.rglob("*")):
        relative = found.relative_to(folder).as_posix()
        if (found.is_symlink() or not found.is_dir()) and relative not in wanted:
            yield f"{relative} does not belong here"


def _is_ours(folder: Path) -> bool:
    if folder.is_symlink() or not folder.is_dir():
        return False
    raw = _read(folder / NAME)
    data = _json(raw) if raw is not None else None
    return isinstance(data, dict) and data.get("schema") == HOST_SCHEMA


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _write_file(folder: Path, file: File) -> None:
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    path.chmod(file.mode)
