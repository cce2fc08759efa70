"""From a source (what ``-i`` names) to the right reader, by Ansible's rules.

A text with a comma that is no path is a list of hosts; a folder gives all its files, sorted;
an executable is run; other files are YAML (or JSON) if their name allows it and their content
is a mapping, else INI. Where Ansible warns that it leaves a source out, we refuse: a router
that silently drops out of an inventory keeps its old policy.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.errors import PassthruError, SourceError
from compiler.inventory import files
from compiler.inventory.builder import Builder, kind
from compiler.inventory.graph import UNGROUPED
from compiler.inventory.ini import IniReader
from compiler.inventory.layers import InDocument, InFile
from compiler.inventory.listing import ListingReader, RepeatedKeyError, is_listing, load_json
from compiler.inventory.mapping import read_mapping
from compiler.inventory.ranges import split_port
from compiler.model.finding import Code, Finding, Place, Severity
from compiler.source.yaml import Document

_IGNORED_NAMES = frozenset({"host_vars", "group_vars", "vars_plugins"})
_IGNORED_ENDS = (
    *(".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst"),
    *(".orig", ".ini", ".cfg", ".retry"),
)
_YAML_SUFFIXES = ("", ".yaml", ".yml", ".json")
_YAML_LINE = re.compile(r"(---|- |\{|[^\[\s=][^=]*:\s*$)")


def source_path(source: str) -> Path | None:
    """Give the path that a source names; nothing for a list of hosts (``a,b``)."""
    if "," in source and not os.path.lexists(source):
        return None
    return Path(os.path.expandvars(source)).expanduser()


class SourceReader:
    """Reads sources one after another into one builder."""

    def __init__(self, builder: Builder, script_seconds: float) -> None:
        """Read for ``builder``; scripts get ``script_seconds`` a call."""
        self._builder = builder
        self._seconds = script_seconds

    def read(self, source: str) -> None:
        """Read one source; what is wrong with it becomes findings of the builder."""
        path = source_path(source)
        if path is None:
            self._builder.source = source
            self._read_host_list(source)
        else:
            self._read_path(path)

    def _read_path(self, path: Path) -> None:
        self._builder.source = str(path.absolute())
        try:
            if path.is_dir():
                self._read_folder(path)
            elif path.exists():
                self._read_file(path)
            else:
                self._unreadable(path, "there is no such file or folder")
        except OSError as error:
            self._unreadable(path, error.strerror or "the system refuses")
        except ValueError:
            self._unreadable(path, "this is not a path")
        except PassthruError as error:
            self._builder.findings += error.findings

    def _unreadable(self, path: Path, reason: str) -> None:
        message = f"cannot read the inventory '{path}': {reason}"
        self._builder.error(message, Place(str(path)), code=Code.I201)

    def _read_folder(self, folder: Path) -> None:
        for name in sorted(path.name for path in folder.iterdir()):
            hidden = name.startswith(".") or name in _IGNORED_NAMES
            if not hidden and not name.endswith(_IGNORED_ENDS):
                self._read_path(folder / name)

    def _read_host_list(self, source: str) -> None:
        where = InFile(source)
        ungrouped = self._builder.graph.groups[UNGROUPED]
        for part in filter(None, map(str.strip, source.split(","))):
            host, port = split_port(part) or (part, None)
            if "[" in host:
                host, port = part, None
            if host not in self._builder.graph.hosts:
                self._builder.hosts((host,), ungrouped, None, where, port)

    def _read_file(self, path: Path) -> None:
        if _may_run(path) and self._read_script(path):
            return
        suffix = os.path.splitext(path)[1]  # noqa: PTH122 - Ansible's rule, not pathlib's
        try:
            content = files.read(path)
        except SourceError as error:
            text = _without_comments(path) if error.findings[0].code is Code.P108 else None
            if text is None or suffix in _YAML_SUFFIXES[1:]:
                raise
            content = files.Text(str(path), text, encrypted=False)
        if suffix == ".toml":
            self._read_toml(content)
        elif suffix in _YAML_SUFFIXES:
            self._read_yaml_or_ini(content, suffix)
        else:
            self._read_ini(content)

    def _read_ini(self, content: files.Text) -> None:
        IniReader(self._builder, content.file, encrypted=content.encrypted).read(content.text)

    def _read_yaml_or_ini(self, content: files.Text, suffix: str) -> None:
        complaints: tuple[Finding, ...]
        try:
            data, where, is_json = files.parse(content)
        except SourceError as error:
            if any(found.code is not Code.P101 for found in error.findings):
                raise
            complaints = error.findings
        else:
            if not data:
                return
            if isinstance(data, dict):
                self._read_data(content.file, data, where, is_json=is_json)
                return
            message = f"an inventory is a mapping of groups, not {kind(data)}"
            complaints = (Finding(Code.I202, message, place=where.place(())),)
        known = len(self._builder.findings)
        self._read_ini(content)
        new = self._builder.findings[known:]
        if any(found.severity is Severity.ERROR for found in new) and (
            suffix or _looks_like_yaml(content.text)
        ):
            self._builder.findings[known:] = complaints

    def _read_data(
        self, file: str, data: Mapping[str, Any], where: InDocument, *, is_json: bool
    ) -> None:
        if data.get("plugin"):
            self._builder.error(
                f"'{file}' configures an inventory plugin, which only Ansible can run",
                where.place(("plugin",), key=True),
                f"ansible-inventory -i {file} --list --output hosts.json, then use hosts.json",
            )
        elif is_json and is_listing(data):
            ListingReader(self._builder, file).read(data)
        else:
            read_mapping(self._builder, data, where)

    def _read_toml(self, content: files.Text) -> None:
        import tomllib  # noqa: PLC0415 - rarely needed

        try:
            data = tomllib.loads(content.text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            self._builder.error(f"no valid TOML: {error}", Place(content.file))
            return
        files.check_json(data, content.file)
        for group in data.values():
            children = group.get("children") if isinstance(group, dict) else None
            if isinstance(children, list):
                group["children"] = dict.fromkeys(map(str, children))
        where = InDocument(Document(content.file, data))
        self._read_data(content.file, data, where, is_json=False)

    def _read_script(self, path: Path) -> bool:
        """Run an executable inventory; say whether it was one."""
        from compiler.inventory.script import NotAProgramError, Script  # noqa: PLC0415

        script = Script(path, self._seconds)
        try:
            output = script.run("--list")
        except NotAProgramError:
            return False

        def load(text: str) -> Any:
            try:
                data = load_json(text, str(path))
            except RepeatedKeyError as error:
                raise script.error(f"printed '{error}' twice in one object") from None
            except (ValueError, RecursionError) as error:
                raise script.error("printed no JSON", str(error)) from None
            files.check_json(data, str(path))
            return data

        def ask(host: str) -> Any:
            answer = script.run("--host", host)
            return load(answer) if answer.strip() else {}

        ListingReader(self._builder, str(path)).read(load(output), ask)
        return True


def _may_run(path: Path) -> bool:
    if not path.is_file():
        return False
    if os.access(path, os.X_OK):
        return True
    with path.open("rb") as stream:
        return stream.read(2) == b"#!"


def _without_comments(path: Path) -> str | None:
    """Give an INI text whose comments are not UTF-8 without its comments."""
    lines = path.read_bytes().splitlines()
    try:
        return b"\n".join(b"" if line[:1] in (b";", b"#") else line for line in lines).decode()
    except UnicodeDecodeError:
        return None


def _looks_like_yaml(text: str) -> bool:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            return _YAML_LINE.match(line) is not None
    return False
