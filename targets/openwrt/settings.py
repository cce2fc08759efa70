"""The settings of an OpenWrt router: our own named UCI sections, in the order of the file.

Four types of section carry our prefix: ``rule``, ``redirect`` and ``include`` are fw3's and fw4's
own; ``passthru`` is one that both ignore. It notes which helper must be assigned in which zones, or
which packets get which bit of the mark (:mod:`targets.openwrt.fw4.signatures`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from targets.openwrt import uci
from targets.openwrt.uci import Section, Value

PREFIX = "passthru_"
#: The type of our own section that notes a helper, or a bit of the mark.
NOTE = "passthru"

#: Options that hold several values, as a list or with spaces in one option, by type of section
#: (firewall4, parse_rule and parse_redirect).
MULTIPLE = {
    "rule": frozenset({"proto", "src_ip", "dest_ip", "src_port", "dest_port", "src_mac"}),
    "redirect": frozenset({"proto", "src_mac"}),
    NOTE: frozenset({"zone", "seen"}),
}
_ORDER = (
    "name", "enabled", "type", "path", "position", "chain", "src", "dest", "family", "proto",
    "src_ip", "src_dport", "dest_ip", "dest_port", "helper", "zone", "mark", "seen", "log",
    "log_limit", "reflection", "set_helper", "set_xmark", "extra", "target",
)  # fmt: skip
#: nft takes comments of 128 bytes, fw4 puts "!fw4: " before and may put " (reflection)" after.
_LONGEST_TITLE = 109


@dataclass(frozen=True, slots=True)
class Settings:
    """Our sections, canonical: options in one order, several values as a tuple."""

    sections: tuple[Section, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        """Names of all helpers that must be there, noted or set by a rule."""
        noted = {name for name, _ in self.helpers}
        return frozenset(noted | {section.text("set_helper") for section in self.sections} - {""})

    @property
    def helpers(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give each helper that the rules rely on, with the zones where it must be assigned."""
        for section in self.sections:
            if section.type == NOTE and section.get("helper") is not None:
                yield section.text("helper"), values(section, "zone")

    def items(self) -> dict[str, str]:
        """Give the sections as a flat listing; values of a list are lines."""
        found = {}
        for section in self.sections:
            found[section.name] = section.type
            for option, value in section.options:
                text = value if isinstance(value, str) else "\n".join(value)
                found[f"{section.name}.{option}"] = text
        return found


def read(text: str, file: str) -> Settings:
    """Read our sections out of a firewall config; everything else is left out.

    Raises:
        NativeError: the text is empty or libuci would not take it.
    """
    return of(section for section in uci.read(text, file) if section.name.startswith(PREFIX))


def of(sections: Iterable[Section]) -> Settings:
    """Build settings from sections in any spelling."""
    return Settings(tuple(_canonical(section) for section in sections))


def values(section: Section, option: str) -> tuple[str, ...]:
    """Give the values of an option that may hold several."""
    value = section.get(option)
    return tuple(value.split()) if isinstance(value, str) else value or ()


def _canonical(section: Section) -> Section:
    several = MULTIPLE.get(section.type, frozenset())
    found: list[tuple[str, Value]] = [
        (name, values(section, name) if name in several else value)
        for name, value in section.options
    ]
    kept = (option for option in found if option[1] != ())
    return Section(section.type, section.name, tuple(sorted(kept, key=_rank)))


def _rank(option: tuple[str, Value]) -> tuple[int, str]:
    name = option[0]
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def section_name(*parts: str) -> str:
    """Build a section name from parts; different parts never give the same name.

    UCI names hold letters, digits and ``_``. Any other character, and ``_`` itself, becomes
    ``_`` and two hexadecimal digits per byte, so that ``__`` can only stand between parts.
    """
    return PREFIX + "__".join(map(_encode, parts))


def _encode(part: str) -> str:
    return "".join(
        chr(byte) if chr(byte).isascii() and chr(byte).isalnum() else f"_{byte:02x}"
        for byte in part.encode(errors="surrogatepass")
    )


def title(*words: str) -> str:
    """Build the name that people see in LuCI, the log and ``nft list``, short enough for nft.

    What could break out of a quote or a line becomes ``_``; a name that is too long ends in
    a digest, so that two of them stay different.
    """
    full = "passthru " + " ".join(words)
    clean = re.sub(r"[^A-Za-z0-9 .:_/-]", "_", full)
    if len(clean) <= _LONGEST_TITLE:
        return clean
    digest = hashlib.sha256(full.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{clean[: _LONGEST_TITLE - 9]} {digest}"
