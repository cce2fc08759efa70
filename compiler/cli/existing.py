"""A config that is there already: whose it is, as options say, and its text."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from compiler.errors import NativeError, SourceError, UsageError
from compiler.model.finding import Code, Place
from compiler.source.excerpt import printable

if TYPE_CHECKING:
    from compiler.model.device import Device, Fact

#: No router's config comes near this.
_LARGEST = 64 << 20
_PIPE = "standard input"


def device_of(target: str, options: Mapping[str, Any]) -> Device | None:
    """Give what the options ``lan``, ``wan``, ``fact`` and ``host`` say of a router."""
    from compiler.model.device import Device, Role  # noqa: PLC0415

    facts = _facts(options["fact"])
    zones = (*_zones(Role.LAN, options["lan"]), *_zones(Role.WAN, options["wan"]))
    if options["host"] is None:
        return Device("", target, zones, facts) if zones or facts else None
    known = _inventoried(target, options["host"], options["inventory"])
    if not zones and not facts:
        return known
    merged: Mapping[str, Fact] = {**known.facts, **facts}
    return replace(known, zones=zones or known.zones, facts=MappingProxyType(dict(merged)))


def _zones(role: Any, links: Sequence[str]) -> list[Any]:
    from compiler.model.device import Zone  # noqa: PLC0415

    if len(links) == 1:
        return [Zone(str(role), role, tuple(links))]
    return [Zone(link, role, (link,)) for link in dict.fromkeys(links)]


def _facts(stated: Sequence[str]) -> Mapping[str, Fact]:
    from compiler.cli.options import extra_variables  # noqa: PLC0415

    words: Mapping[str, Fact] = {"true": True, "false": False, "yes": True, "no": False}
    return {
        name: words.get(str(value).lower(), value)
        for name, value in extra_variables(stated).items()
    }


def _inventoried(target: str, host: str, inventories: Sequence[str]) -> Device:
    from compiler.build.device import Devices  # noqa: PLC0415
    from compiler.build.registry import installed  # noqa: PLC0415
    from compiler.cli.options import named  # noqa: PLC0415
    from compiler.inventory import load  # noqa: PLC0415

    loaded = load(list(named(inventories, "inventory")))
    device, findings = Devices(installed()).device(loaded.host(host))
    if device is None:
        raise SourceError(findings)
    if device.target != target:
        message = f"'{host}' is a router of family '{device.target}', not '{target}'"
        raise UsageError.of(Code.U801, message)
    return device


def name_of(file: str) -> str:
    """Name a file for messages; ``-`` is standard input."""
    return _PIPE if file == "-" else file


def native_of(file: str) -> str:
    """Read a config from a file or, for ``-``, from standard input.

    Raises:
        SourceError: P100, it cannot be read.
        NativeError: T407, it is no text.
    """
    return _decoded(_bytes(file), name_of(file))


def _bytes(file: str) -> bytes:
    try:
        if file == "-":
            found = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                found = opened.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise SourceError.of(Code.P100, f"{printable(file)} cannot be read: {said}") from None
    if len(found) > _LARGEST:
        raise NativeError.of(Code.T407, f"{printable(file)} is larger than 64 MiB")
    return found


def _decoded(data: bytes, name: str) -> str:
    """Give the text; bytes that are not UTF-8 become surrogates, so that none is lost."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise NativeError.of(Code.T407, "the text is broken UTF-16", Place(name)) from None
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
