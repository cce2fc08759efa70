"""Signatures: what UCI rules cannot see, told to them by bits of the packet's mark.

A file of ours looks into UDP packets and sets a bit for each kind that the policy names. fw4
includes it at the head of the chains of the LAN zones (``config include``), before every rule
of these zones; the rules ask for bits (``option mark``). So zones, limits, logs and verdicts all
stay in UCI, where fw4 copes with whatever people change, and the file names no chain or device
that could be missing: nft would refuse the whole ruleset over that.

Sections of our own hold what the file holds, so that a config alone says everything. The file is
named after a digest of its text: another text is another config.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.model.effect import Probe
from compiler.model.protocol import UDP, ByteMatch, PortRange, Signature
from targets.openwrt.fw4 import nft, values
from targets.openwrt.fw4.ruleset import Rule
from targets.openwrt.settings import NOTE, PREFIX, section_name, title
from targets.openwrt.settings import values as several
from targets.openwrt.uci import Section

#: Where the files lie on the router.
FOLDER = "/etc/passthru"
#: The bits of the mark that are ours: the highest eight, one for each kind of packet.
BITS = tuple(1 << number for number in range(24, 32))
_HEAD = "# Marks packets by what is in them, for rules of /etc/config/firewall (option mark).\n"
_UDP_HEADER = 8
#: nft compares at most so many bytes at once.
_LARGEST = 16
_ANY = "any"
_BYTES = re.compile(r"(\d{1,5})=((?:[0-9a-f]{2})+)(?:/((?:[0-9a-f]{2})+))?")
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


@dataclass(frozen=True, slots=True)
class Sight:
    """UDP packets to some ports (none: any) that have a signature."""

    ports: tuple[PortRange, ...]
    signature: Signature

    def write(self) -> str:
        """Write it as one word for UCI: ports, length of the payload, bytes under masks."""
        ports = ",".join(map(str, self.ports)) or _ANY
        length = self.signature.payload_length
        return f"{ports}:{_ANY if length is None else length}:{_written(self.signature)}"

    def holds(self, probe: Probe) -> bool | None:
        """Tell whether a probe is such a packet; ``None``: it depends on bytes nobody knows.

        A flow without a signature stands for packets that have none.
        """
        if probe.flow.signature is None or not self._goes_to(probe.port):
            return False
        return _follows(probe.flow.signature, self.signature)

    def _goes_to(self, port: int) -> bool:
        return not self.ports or any(port in each for each in self.ports)


@dataclass(frozen=True, slots=True)
class Mark:
    """One bit of the mark and the packets that get it; ``name`` is that of its section."""

    name: str
    title: str
    bit: int
    sights: tuple[Sight, ...]

    def section(self) -> Section:
        """Write it down."""
        seen = tuple(each.write() for each in self.sights)
        options = (("name", self.title), ("mark", hex(self.bit)), ("seen", seen))
        return Section(NOTE, self.name, options)

    def holds(self, probe: Probe) -> bool | None:
        """Tell whether a probe gets the bit."""
        states = {each.holds(probe) for each in self.sights}
        return True if True in states else None if None in states else False


def mark(number: int, words: Sequence[str], sights: Iterable[Sight]) -> Mark:
    """Give the mark for one kind of packet; ``number`` counts the marks of a router."""
    name = section_name("signature", *words)
    return Mark(name, title("signature", *words), BITS[number], tuple(dict.fromkeys(sights)))


def includes(marks: Sequence[Mark], zones: Iterable[str]) -> Iterator[Section]:
    """Give the sections that have fw4 include the file for packets from some zones."""
    for zone in zones:
        options = (
            ("type", "nftables"),
            ("path", path(marks)),
            ("position", "chain-pre"),
            ("chain", f"forward_{zone}"),
        )
        yield Section("include", section_name("signatures", zone), options)


def read(sections: Iterable[Section]) -> tuple[Mark, ...] | None:
    """Read the marks that sections of ours write down; ``None`` where one is not understood."""
    found = [_read(section) for section in sections if _is_mark(section)]
    known = tuple(each for each in found if each is not None)
    return known if len(known) == len(found) else None


def path(marks: Sequence[Mark]) -> str:
    """Give the path of the file on the router."""
    return f"{FOLDER}/{file_name(marks)}"


def file_name(marks: Sequence[Mark]) -> str:
    """Give the name of the file."""
    return f"signatures-{hashlib.sha256(text(marks).encode()).hexdigest()[:16]}.rules"


def text(marks: Sequence[Mark]) -> str:
    """Print the file: rules without a verdict, which nft reads in the middle of a chain."""
    return _HEAD + "".join(f"{rule.text()}\n" for rule in rules(marks))


def rules(marks: Sequence[Mark], origin: str = "") -> Iterator[Rule]:
    """Give the rules of the file: clear our bits, whoever has set them, and set them anew."""
    ours = 0
    for each in marks:
        ours |= each.bit
    yield Rule((nft.match("meta l4proto", [str(UDP)]), nft.set_mark(0, ours)), origin)
    for each in marks:
        for sight in each.sights:
            parts = (*_matches(sight), nft.set_mark(each.bit, each.bit))
            yield Rule(parts, origin, f"!fw4: {each.title}")


def files(sections: Sequence[Section]) -> Mapping[str, tuple[Mark, ...]]:
    """Give what the files of ours hold that a config tells of, by path."""
    found = read(sections)
    return {path(found): found} if found else {}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the marks of a config: what they stand for, and in which zones."""

    marks: tuple[Mark, ...] = ()
    chains: frozenset[str] = frozenset()
    everywhere: bool = False

    def tells(self, asked: str, probe: Probe) -> bool | None:
        """Tell whether a rule's ``mark`` matches a probe; ``None`` where nobody knows."""
        found = values.mark(asked)
        here = {each.bit: each for each in self.marks if found and each.bit & found.mask}
        marked = self.everywhere or f"forward_{probe.source}" in self.chains
        if found is None or sum(here) != found.mask or not marked:
            return None
        states = {
            None if state is None else state == bool(found.number & bit)
            for bit, state in ((b, m.holds(probe)) for b, m in here.items())
        }
        equal = False if False in states else None if None in states else True
        return None if equal is None else equal is not found.negated


def known(sections: Sequence[Section]) -> Known:
    """Read what the marks in a config of ours stand for; nothing where file and notes differ."""
    marks = read(sections)
    if not marks:
        return Known()
    right = [s for s in sections if s.type == "include" and s.text("path") == path(marks)]
    chains = frozenset(
        section.text("chain")
        for section in right
        if section.text("type") == "nftables" and section.text("position") == "chain-pre"
    )
    return Known(marks, chains)


def _is_mark(section: Section) -> bool:
    return (
        section.type == NOTE and section.name.startswith(PREFIX) and section.get("mark") is not None
    )


def _read(section: Section) -> Mark | None:
    number = values.mark(section.text("mark"))
    sights = [_sight(word) for word in several(section, "seen")]
    clear = tuple(each for each in sights if each is not None)
    if number is None or number.number not in BITS or len(clear) < len(sights):
        return None
    return Mark(section.name, section.text("name"), number.number, clear)


def _sight(word: str) -> Sight | None:
    parts = word.split(":")
    if len(parts) != 3 or not (parts[1] == _ANY or parts[1].isdecimal()):
        return None
    stated = [] if parts[0] == _ANY else parts[0].split(",")
    ports = [_PORTS.fullmatch(each) for each in stated]
    matches = [_BYTES.fullmatch(each) for each in parts[2].split(",") if each]
    length = None if parts[1] == _ANY else int(parts[1])
    if None in ports or any(m is None or (m[3] and len(m[3]) != len(m[2])) for m in matches):
        return None
    return Sight(
        tuple(PortRange(int(p[1]), int(p[2] or p[1])) for p in ports if p),
        Signature(tuple(_byte_match(m) for m in matches if m), length),
    )


def _byte_match(match: re.Match[str]) -> ByteMatch:
    value = bytes.fromhex(match[2])
    mask = bytes.fromhex(match[3]) if match[3] else b"\xff" * len(value)
    return ByteMatch(int(match[1]), value, mask)


def _written(signature: Signature) -> str:
    return ",".join(
        f"{each.at}={each.value.hex()}" + ("" if _whole(each.mask) else f"/{each.mask.hex()}")
        for each in signature.matches
    )


def _whole(mask: bytes) -> bool:
    return set(mask) <= {0xFF}


def _matches(sight: Sight) -> Iterator[nft.Part]:
    length = sight.signature.payload_length
    if sight.ports:
        yield nft.match("udp dport", [str(each) for each in sight.ports])
    if length is not None:
        yield nft.match("udp length", [str(_UDP_HEADER + length)])
    if not sight.ports and length is None:
        yield nft.match("meta l4proto", [str(UDP)])
    for each in sight.signature.matches:
        for at in range(0, len(each.value), _LARGEST):
            part = slice(at, at + _LARGEST)
            yield nft.payload(_UDP_HEADER + each.at + at, each.value[part], each.mask[part])


def _follows(known_: Signature, asked: Signature) -> bool | None:
    """Tell whether a packet with one signature has another one too."""
    end = max((each.at + len(each.value) for each in known_.matches), default=0)
    sure = True
    if asked.payload_length is not None:
        if known_.payload_length not in (None, asked.payload_length) or end > asked.payload_length:
            return False
        sure = known_.payload_length is not None
    bits = {at: found for match in known_.matches for at, found in _bytes(match)}
    for match in asked.matches:
        for at, (value, mask) in _bytes(match):
            if known_.payload_length is not None and at >= known_.payload_length:
                return False
            have, told = bits.get(at, (0, 0))
            if (have ^ value) & mask & told:
                return False
            sure = sure and not mask & ~told and at < max(end, known_.payload_length or 0)
    return True if sure else None


def _bytes(match: ByteMatch) -> Iterator[tuple[int, tuple[int, int]]]:
    yield from enumerate(zip(match.value, match.mask, strict=True), match.at)
