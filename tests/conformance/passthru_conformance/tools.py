"""The tools that judge native files: shells, nft in a kernel, and a reader of UCI."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from compiler.model.target import Bundle, File

#: Every shell that is there must accept a script; BusyBox's is the one that routers have.
SHELLS = [command for command in (["busybox", "ash"], ["sh"]) if shutil.which(command[0])]
needs_shell = pytest.mark.skipif(not SHELLS, reason="neither busybox nor sh is installed")


@functools.cache
def namespace() -> tuple[str, ...]:
    """Give the command that enters a network namespace of its own; nothing if none may be made."""
    for command in (("unshare", "-n"), ("unshare", "-rn")):
        if shutil.which(command[0]) and shutil.which("nft"):
            words = [*command, "nft", "list", "tables"]
            tried = subprocess.run(words, capture_output=True, check=False)
            if tried.returncode == 0:
                return command
    return ()


def require_kernel() -> None:
    """Skip the test where nft is not installed or no namespace may be made."""
    if not namespace():
        pytest.skip("nft is not installed, or this user may not make a network namespace")


def loaded(texts: Sequence[str], table: str) -> list[str]:
    """Load each text into an empty kernel and give what ``nft list table`` prints of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, text in enumerate(texts):
            (folder / f"{number}.nft").write_text(text)
        script = (
            f"i=0; while [ $i -lt {len(texts)} ]; do nft flush ruleset; "
            "nft -f $i.nft 2>$i.error && nft -f $i.nft 2>>$i.error "
            f"&& nft list table {table} >$i.out 2>>$i.error; i=$((i+1)); done"
        )
        subprocess.run([*namespace(), "sh", "-c", script], cwd=folder, check=True)
        return [_listing(folder, number, text) for number, text in enumerate(texts)]


def _listing(folder: Path, number: int, text: str) -> str:
    error = (folder / f"{number}.error").read_text()
    assert not error, f"nft says {error}\nabout\n{text}"
    return (folder / f"{number}.out").read_text()


def check_shell(scripts: Iterable[str]) -> None:
    """Have every shell parse every script."""
    unique = sorted(set(scripts))
    if not unique:
        return
    with tempfile.TemporaryDirectory() as name:
        for number, script in enumerate(unique):
            Path(name, f"{number}.sh").write_text(script)
        for shell in SHELLS:
            loop = f"for f in *.sh; do {' '.join(shell)} -n $f || echo $f; done"
            run_quietly(["sh", "-c", loop], name)


def is_script(file: File) -> bool:
    """Tell whether a file is for a shell."""
    return file.path.endswith(".sh") or file.content.startswith(b"#!/bin/sh")


_WORD = r"(?:'[^']*'|\"(?:[^\"\\]|\\.)*\"|[^\s'\"#;\\&])+"
_UCI_LINE = re.compile(
    rf"\s*(?:(package|config|option|list)\s+({_WORD})(?:\s+({_WORD}))?\s*)?(?:#.*)?", re.DOTALL
)


def check_uci(text: str) -> None:
    """Read a UCI file line by line, as libuci's manual describes it, without its liberties."""
    for line in text.splitlines():
        match = _UCI_LINE.fullmatch(line)
        assert match, f"this is no UCI: {line!r}"
        word, name, value = match.groups()
        if word in ("option", "list"):
            assert value is not None, line
            assert re.fullmatch(r"[A-Za-z0-9_]+", name.strip("'\"")), line
        elif word == "config" and value is not None:
            assert re.fullmatch(r"[A-Za-z0-9_]+", value.strip("'\"")), line


def check_files(bundles: Iterable[Bundle]) -> None:
    """Have every file of every bundle read by the tool that it is for."""
    rules, scripts = [], []
    for file in _each(bundles):
        text = file.content.decode()
        assert "\0" not in text, file.path
        if file.path.endswith(".json"):
            json.loads(text)
        elif file.path.endswith(".uci"):
            check_uci(text)
        elif file.path.endswith(".nft"):
            rules.append(text)
        elif is_script(file):
            scripts.append(text)
    check_shell(scripts)
    if rules and namespace():
        _check_rules(sorted(set(rules)))


def _each(bundles: Iterable[Bundle]) -> Iterator[File]:
    for bundle in bundles:
        yield from bundle.files


def _check_rules(texts: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for number, text in enumerate(texts):
            Path(name, f"{number}.nft").write_text(text)
        loop = "for f in *.nft; do nft -c -f $f || echo $f; done"
        run_quietly([*namespace(), "sh", "-c", loop], name)


def run_quietly(command: list[str], folder: str) -> None:
    """Run a command that says nothing if all is well."""
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert not said.stdout + said.stderr, said.stdout + said.stderr
