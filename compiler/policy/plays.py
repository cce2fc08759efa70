"""Read policy files into plays.

A play keeps its raw values and knows the place of each, so that whatever is found out later
(an unknown zone on one host, a deviation on one router) can point at the policy line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import isdir  # unlike Path.is_dir, no error for a name that is too long
from pathlib import Path
from typing import Any

from compiler.errors import PolicyError, SourceError
from compiler.model.finding import Code, Finding, Place
from compiler.source import schema
from compiler.source.yaml import Document, load

SUFFIXES = (".yml", ".yaml", ".json")
#: Folder and file names beside a policy that hold users' own protocols.
PROTOCOLS = "protocols"


@dataclass(frozen=True, slots=True)
class Play:
    """One play of one file: its host pattern and its raw, untemplated content."""

    document: Document
    index: int
    name: str
    hosts: str
    content: Mapping[str, Any]

    def place(self, *path: str | int) -> Place:
        """Give the place of a value in this play."""
        return self.document.place((self.index, *path))

    def key_place(self, *path: str | int) -> Place:
        """Give the place of a key in this play."""
        return self.document.key_place((self.index, *path))

    @property
    def passthrough(self) -> Mapping[str, Any]:
        """Entries by protocol name, and ``default``."""
        return self.content.get("passthrough") or {}

    @property
    def variables(self) -> Mapping[str, Any]:
        """The play's own ``vars``."""
        return self.content.get("vars") or {}

    @property
    def exposures(self) -> Sequence[Any]:
        """The raw ``expose`` entries."""
        return self.content.get("expose") or ()


def load_plays(paths: Sequence[Path]) -> tuple[Play, ...]:
    """Load every policy file; a folder means its YAML files, sorted by name.

    Raises:
        PolicyError: with the problems of all files.
    """
    findings: list[Finding] = []
    plays: list[Play] = []
    for path in paths:
        try:
            for file in _files(path):
                plays.extend(_plays_of(file))
        except SourceError as error:
            findings.extend(error.findings)
    if findings:
        raise PolicyError(findings)
    return tuple(plays)


def protocol_documents(paths: Sequence[Path]) -> tuple[Document, ...]:
    """Load the users' protocol files: ``protocols.yml`` or a folder ``protocols/`` beside a policy.

    Raises:
        PolicyError: with the problems of all files.
    """
    findings: list[Finding] = []
    documents: dict[str, Document] = {}
    folders = (path if isdir(path) else path.parent for path in paths)  # noqa: PTH112
    for folder in dict.fromkeys(folders):
        for file in _protocol_files(folder):
            try:
                documents.setdefault(str(file), load(file))
            except SourceError as error:
                findings.extend(error.findings)
    if findings:
        raise PolicyError(findings)
    return tuple(documents.values())


def _protocol_files(folder: Path) -> Iterator[Path]:
    for suffix in SUFFIXES:
        file = folder / f"{PROTOCOLS}{suffix}"
        if file.is_file():
            yield file
    inner = folder / PROTOCOLS
    if inner.is_dir():
        yield from sorted(f for f in inner.iterdir() if f.suffix in SUFFIXES and f.is_file())


def _files(path: Path) -> Iterator[Path]:
    if not isdir(path):  # noqa: PTH112 - see the import
        yield path
        return
    found = [
        file
        for file in sorted(path.iterdir())
        if file.suffix in SUFFIXES and file.is_file() and file.stem != PROTOCOLS
    ]
    if not found:
        raise PolicyError.of(
            Code.P100, f"the folder '{path}' holds no .yml, .yaml or .json file", Place(str(path))
        )
    yield from found


def _plays_of(file: Path) -> Iterator[Play]:
    document = load(file)
    if document.data is None:
        raise PolicyError.of(
            Code.P106, f"'{file}' is empty", Place(str(file)), "write at least one play"
        )
    if isinstance(document.data, dict):
        raise PolicyError.of(
            Code.P102,
            "a policy is a list of plays, not a mapping",
            document.place(),
            "begin each play with '- '",
        )
    findings = schema.check(document, "policy")
    if findings:
        raise PolicyError(findings)
    for index, content in enumerate(document.data):
        hosts = content["hosts"]
        yield Play(
            document,
            index,
            str(content.get("name") or f"play {index + 1}"),
            hosts if isinstance(hosts, str) else ",".join(hosts),
            content,
        )
