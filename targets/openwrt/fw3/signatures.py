"""Signatures under fw3: rules that set bits of the mark by what iptables' match ``u32`` finds.

fw3 runs included files as scripts, and one bad rule in the table filter leaves the router without
a firewall. So the bits are set by rules of UCI (``target MARK``, with the match in ``extra``): fw3
puts them into the table mangle, before the table filter is asked, loads them anew with each reload
and takes them away with their section. Where the match is missing, it warns and leaves them out.

u32 counts from the IP header. It jumps over the options of IPv4, but not over the extension headers
of IPv6: such a packet cannot be looked into, so on the ports of what is blocked it counts as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.model.protocol import Family, PortRange, Signature
from targets.openwrt.fw4.signatures import Known, Mark, read
from targets.openwrt.settings import of, section_name, title
from targets.openwrt.uci import Section, Value

#: What the filter table has not accepted before it asks our rules.
BEGINNING = "-m conntrack ! --ctstate RELATED,ESTABLISHED"
#: Four bytes at a distance from the UDP header; for IPv6 its place holds where nothing hides it.
_UDP = {Family.IPV4: "0>>22&0x3C@{}", Family.IPV6: "{}"}
_FIXED = {Family.IPV4: 0, Family.IPV6: 40}
#: The next header, the seventh byte of an IPv6 header, is UDP.
_PLAIN = "3&0xff=0x11"
_UDP_HEADER = 8
_WORD = 4


def sections(marks: Sequence[Mark], rules: Sequence[Section]) -> Iterator[Section]:
    """Give the rules that set the bits which ``rules`` ask for.

    No name is that of IPv6 rules alone: a router without ip6tables has all names loaded too.
    """
    ours = 0
    for each in marks:
        ours |= each.bit
    yield _marking(section_name("signatures"), title("signatures"), "any", (), 0, ours, BEGINNING)
    blocked = _blocked(rules)
    for each in marks:
        for number, sight in enumerate(each.sights):
            name = f"{each.title} {number + 1}" if number else each.title
            for family in Family:
                where = f"{each.name}__{family}__{number}"
                match = " ".join((BEGINNING, *_seen(sight.signature, family)))
                yield _marking(where, name, str(family), sight.ports, each.bit, each.bit, match)
        hidden = {sight.ports for sight in each.sights if sight.ports and each.bit in blocked}
        for number, ports in enumerate(sorted(hidden)):
            where = f"{each.name}__hidden__{number}"
            match = f"{BEGINNING} -m u32 ! --u32 {_PLAIN}"
            yield _marking(where, each.title, str(Family.IPV6), ports, each.bit, each.bit, match)


def known(found: Sequence[Section]) -> Known:
    """Read what the marks in a config of ours stand for; nothing where rules and notes differ."""
    marks = read(found)
    if not marks:
        return Known()
    written = tuple(section for section in found if section.text("target") == "MARK")
    return Known(marks, everywhere=written == of(sections(marks, found)).sections)


def _marking(
    name: str,
    shown: str,
    family: str,
    ports: Sequence[PortRange],
    bits: int,
    mask: int,
    match: str,
) -> Section:
    options: list[tuple[str, Value]] = [
        ("name", shown),
        ("src", "*"),
        ("dest", "*"),
        ("family", family),
        ("proto", "udp"),
        ("set_xmark", f"{bits:#x}/{mask:#x}"),
        ("extra", match),
        ("target", "MARK"),
    ]
    if ports:
        options.insert(5, ("dest_port", tuple(map(str, ports))))
    return Section("rule", name, tuple(options))


def _blocked(rules: Sequence[Section]) -> frozenset[int]:
    """Give the bits that rules drop packets for, and that no rule passes any for."""
    asked: dict[str, set[int]] = {"ACCEPT": set(), "DROP": set()}
    for rule in rules:
        if rule.get("mark") is not None:
            asked.setdefault(rule.text("target"), set()).add(_bit(rule.text("mark")))
    return frozenset(asked["DROP"] - asked["ACCEPT"])


def _bit(text: str) -> int:
    try:
        return int(text.partition("/")[0], 0)
    except ValueError:
        return 0


def _seen(signature: Signature, family: Family) -> Iterator[str]:
    """Give the match, as often as iptables takes so many tests."""
    tests = list(_tests(signature, family))
    from compiler.evaluate.iptables.u32 import MOST  # noqa: PLC0415 - few routers look into packets

    for first in range(0, len(tests), MOST):
        yield f"-m u32 --u32 {'&&'.join(tests[first : first + MOST])}"


def _tests(signature: Signature, family: Family) -> Iterator[str]:
    if family is Family.IPV6:
        yield _PLAIN
    if signature.payload_length is not None:
        length = _UDP_HEADER + signature.payload_length
        yield f"{_place(_WORD, family)}>>16={length:#x}"
    for match in signature.matches:
        for end in range(len(match.value), 0, -_WORD):
            part = slice(max(0, end - _WORD), end)
            mask = int.from_bytes(match.mask[part])
            value = int.from_bytes(match.value[part]) & mask
            # four bytes are read, and none behind the last one that is asked for
            place = _place(_UDP_HEADER + match.at + end - _WORD, family)
            yield f"{place}={value:#x}" if mask == 0xFFFFFFFF else f"{place}&{mask:#x}={value:#x}"


def _place(offset: int, family: Family) -> str:
    return _UDP[family].format(_FIXED[family] + offset)
