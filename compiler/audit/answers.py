"""Saved answers: a folder with one file, or one folder, for each router.

``DIR/HOST`` or ``DIR/HOST.EXT`` is what the router's read step printed. A folder ``DIR/HOST/`` may
hold ``facts`` beside it (or ``facts.txt``): lines of ``name=value``, as its facts step prints them.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from compiler.device.plan import facts_of
from compiler.errors import NativeError, SourceError
from compiler.model.finding import Code, Place

#: No router's config comes near this.
LARGEST = 64 << 20
_FACTS = "facts"


class MissingAnswerError(SourceError):
    """There is no answer of this router in the folder."""


class Answers:
    """The saved answers of a folder. Nothing but names is kept."""

    def __init__(self, folder: Path, hosts: Iterable[str]) -> None:
        """List the folder; ``hosts`` tell ``r1.lan``, a router, from ``r1`` with an ending.

        Raises:
            SourceError: P100, the folder cannot be read.
        """
        self.folder = folder
        known = set(hosts)
        self._names: dict[str, list[str]] = {}
        for name in _listed(folder):
            stem, dot, _ = name.rpartition(".")
            owner = name if name in known or not dot else stem
            self._names.setdefault(owner, []).append(name)

    def read(self, host: str) -> tuple[str, dict[str, str]]:
        """Give a router's native text and its facts.

        Raises:
            MissingAnswerError: A861, there is none.
            NativeError: A862, there are several, or it is no readable file.
        """
        found = self._names.get(host, [])
        if not found:
            raise MissingAnswerError.of(
                Code.A861, "the folder holds no answer of this router", host=host
            )
        if len(found) > 1:
            names = ", ".join(sorted(found)[:4])
            raise _bad(f"there are several answers of this router: {names}", self.folder)
        path = self.folder / found[0]
        if path.is_dir():
            return _folder(path)
        return _text(path), {}


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.name[:1] != ".")
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise SourceError.of(
            Code.P100, f"the saved answers cannot be read: {said}", Place(str(folder))
        ) from None


def _folder(path: Path) -> tuple[str, dict[str, str]]:
    names = _listed(path)
    about = [name for name in names if name.partition(".")[0] == _FACTS]
    texts = [name for name in names if name not in about]
    named = [name for name in texts if name.partition(".")[0] in ("read", "native")]
    chosen = named or texts
    if len(chosen) != 1:
        what = "no answer" if not chosen else f"several answers: {', '.join(chosen[:4])}"
        raise _bad(f"the router's folder holds {what}", path)
    facts = facts_of(_text(path / about[0])) if len(about) == 1 else {}
    return _text(path / chosen[0]), facts


def _text(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _bad(f"cannot be read: {error.strerror or type(error).__name__}", path) from None
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise _bad("is no file", path)
        data = opened.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise _bad("is larger than 64 MiB", path)
    return decoded(data, path)


def decoded(data: bytes, path: Path) -> str:
    """Give the text; bytes that are not UTF-8 become surrogates, so that none is lost.

    Raises:
        NativeError: A862, it is broken UTF-16.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise _bad("is broken UTF-16", path) from None
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _bad(what: str, path: Path) -> NativeError:
    return NativeError(NativeError.of(Code.A862, what, Place(str(path))).findings)
