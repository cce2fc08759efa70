"""Options that several commands share, and their defaults from ``passthru.toml``."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from compiler.errors import SourceError, UsageError
from compiler.model.finding import Code, Place
from compiler.source.yaml import load, loads

CONFIG = "passthru.toml"
_PATHS = {"inventory", "policy", "out"}
#: What pushes read, and what each may be.
_FLEET: Mapping[str, tuple[type, ...]] = {
    "executor": (str,),
    "forks": (int,),
    "journal": (str,),
    "max_fail_percentage": (int, float),
    "serial": (str, int, list),
}
_KEYS = _PATHS | set(_FLEET)

F = TypeVar("F", bound=Callable[..., Any])


def site_options(command: F) -> F:
    """Add the options that name a site: inventory, policy, limit, variables."""
    decorators = [
        _repeatable("-i", "--inventory", "PATH", "Inventory (repeatable)."),
        _repeatable("-p", "--policy", "PATH", "Policy file or folder (repeatable)."),
        click.option("-l", "--limit", default="", metavar="PATTERN", help="Only these hosts."),
        _repeatable("-e", "--extra-vars", "K=V|@FILE", "Variables that win over all others."),
        _repeatable("", "--vault-password-file", "PATH", "Password for !vault values."),
        click.option("--allow-expired", is_flag=True, help="Warn about expired grants only."),
    ]
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def _repeatable(short: str, long: str, metavar: str, text: str) -> Callable[[F], F]:
    names = [name for name in (short, long) if name]
    return click.option(*names, multiple=True, metavar=metavar, help=text)


def output_option(*formats: str) -> Callable[[F], F]:
    """Add ``--output``."""
    return click.option(
        "--output",
        "output",
        type=click.Choice(formats),
        default=formats[0],
        help="Form of the output.",
    )


def configuration() -> tuple[dict[str, Any], Path]:
    """Read ``passthru.toml`` from the working directory or above: its values and its folder.

    Raises:
        UsageError: it is not valid TOML, or holds an unknown key.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        path = folder / CONFIG
        if path.is_file():
            return _read_configuration(path), Path() if folder == here else folder
    return {}, Path()


def _read_configuration(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError.of(Code.U801, f"{CONFIG}: {error}", Place(str(path))) from None
    unknown = sorted(set(values) - _KEYS)
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise UsageError.of(
            Code.U801, f"{CONFIG}: unknown key '{unknown[0]}'", Place(str(path)), f"known: {known}"
        )
    for key, types in _FLEET.items():
        if key in values and (isinstance(values[key], bool) or not isinstance(values[key], types)):
            raise UsageError.of(
                Code.U801, f"{CONFIG}: '{key}' is of a wrong type", Place(str(path))
            )
    for key, value in values.items():
        if key in _FLEET:
            continue
        listed = value if isinstance(value, list) and key != "out" else [value]
        if not all(isinstance(item, str) for item in listed):
            raise UsageError.of(Code.U801, f"{CONFIG}: '{key}' must be text", Place(str(path)))
    return values


def named(flags: Sequence[str], key: str) -> tuple[str, ...]:
    """Give what the flags name, else what the configuration names.

    Raises:
        UsageError: neither does.
    """
    if flags:
        return tuple(flags)
    values, folder = configuration()
    found = values.get(key, [])
    listed = [found] if isinstance(found, str) else found
    if not listed:
        flag = "-i/--inventory" if key == "inventory" else "-p/--policy"
        raise UsageError.of(
            Code.U801, f"no {key} is named", hint=f"use {flag}, or set `{key}` in {CONFIG}"
        )
    return tuple(str(folder / item) if folder != Path() else item for item in listed)


def out_folder(flag: str | None) -> Path:
    """Give the output folder: the flag's, the configuration's, or ``out``."""
    if flag:
        return Path(flag)
    values, folder = configuration()
    return folder / str(values.get("out", "out"))


def extra_variables(items: Sequence[str]) -> dict[str, Any]:
    """Read ``-e``: ``k=v`` pairs, JSON or YAML mappings, or ``@file``, as Ansible does.

    Raises:
        SourceError: not one of these forms.
    """
    found: dict[str, Any] = {}
    for item in items:
        found.update(_extra(item))
    return found


def _extra(item: str) -> Mapping[str, Any]:
    if item.startswith("@"):
        return _mapping(load(Path(item[1:])).data, item)
    if item.lstrip().startswith(("{", "[")):
        return _mapping(loads(item, "--extra-vars").data, item)
    try:
        pairs = [word.partition("=") for word in shlex.split(item)]
    except ValueError as error:
        raise UsageError.of(Code.U801, f"--extra-vars: {error}") from None
    if not all(separator for _, separator, _ in pairs):
        raise UsageError.of(Code.U801, "--extra-vars takes k=v, @file, or a JSON or YAML mapping")
    return {key: value for key, _, value in pairs}


def _mapping(data: Any, item: str) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise SourceError.of(Code.P102, f"--extra-vars {item[:40]!r} is not a mapping")
    return data


def site_request(options: Mapping[str, Any]) -> Any:
    """Make a :class:`compiler.build.site.Request` of the parsed site options."""
    from compiler.build.site import Request  # noqa: PLC0415 - keeps --help quick

    if options["vault_password_file"]:
        from compiler.source import vault  # noqa: PLC0415

        vault.use_keys(vault.VaultKeys.from_options(options["vault_password_file"]))
    return Request(
        named(options["inventory"], "inventory"),
        tuple(Path(path) for path in named(options["policy"], "policy")),
        options["limit"],
        extra_variables(options["extra_vars"]),
        allow_expired=options["allow_expired"],
    )
