"""Targets of iptables, compiled to statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from compiler.evaluate import lookups
from compiler.evaluate.iptables.options import Group
from compiler.evaluate.ruleset import Kind, Move, Statement
from compiler.evaluate.statements import (
    AssignHelper,
    End,
    Nat,
    NoTrack,
    Perhaps,
    SetMark,
    Write,
    opaque,
)
from compiler.evaluate.value import Value
from compiler.evaluate.way import Reader, Way
from compiler.model.protocol import TCP, UDP

_Compiler = Callable[[Group, str], list[Statement]]
_FULL = 0xFFFFFFFF
#: Helpers that the kernel offers for one protocol only (net/netfilter/nf_conntrack_*.c).
_HELPERS = {
    "pptp": TCP, "ftp": TCP, "irc": TCP, "Q.931": TCP, "tftp": UDP, "amanda": UDP, "snmp": UDP,
    "netbios-ns": UDP, "RAS": UDP,
}  # fmt: skip
_IP4_ONLY = frozenset({"pptp", "irc", "snmp", "netbios-ns"})


def target(group: Group, family: str, chains: frozenset[str]) -> list[Statement]:
    """Compile the target of a rule; what is not understood leaves the outcome unknown."""
    if group.name in chains:
        return [End(Move(Kind.GOTO if group.goto else Kind.JUMP, group.name))]
    if group.name in _VERDICTS:
        return [End(Move(_VERDICTS[group.name]))]
    if group.name in _HARMLESS:
        return []
    compile_ = _TARGETS.get(group.name)
    if compile_ is None:
        return [opaque(f"the target {group.name} is not understood")]
    try:
        return compile_(group, family)
    except (ValueError, KeyError):
        return [opaque(f"this target is not understood: {group}")]


_VERDICTS = {
    "ACCEPT": Kind.ACCEPT, "DROP": Kind.DROP, "REJECT": Kind.REJECT, "RETURN": Kind.RETURN,
}  # fmt: skip
_HARMLESS = frozenset({
    "LOG", "NFLOG", "ULOG", "TCPMSS", "TCPOPTSTRIP", "AUDIT", "TRACE", "CLASSIFY", "CHECKSUM",
    "TEE", "SECMARK", "CONNSECMARK", "SET", "IDLETIMER", "LED", "RATEEST", "FLOWOFFLOAD",
    "IMQ", "ACCOUNT", "NETFLOW",
})  # fmt: skip


def _options(group: Group) -> dict[str, str]:
    return {option.name: " ".join(option.arguments) for option in group.options}


def _mark(group: Group, family: str) -> list[Statement]:
    return [SetMark(_changed(lambda way: way.mark, _options(group)))]


def _changed(read: Reader, options: dict[str, str]) -> Reader:
    """Give ``(mark & ~mask) ^ value``, of which all other forms are cases."""
    ((name, text),) = options.items()
    number, slash, mask = text.partition("/")
    value = int(number, 0)
    bits = int(mask, 0) if slash else _FULL
    keep, flip = {
        "--set-xmark": (~bits, value),
        "--set-mark": (~(bits | value), value),
        "--and-mark": (value, 0),
        "--or-mark": (~value, value),
        "--xor-mark": (-1, value),
    }[name]

    def changed(way: Way) -> Value | None:
        found = read(way)
        return None if found is None else found.masked(keep, flip)

    return changed


def _connection_mark(group: Group, family: str) -> list[Statement]:
    options = _options(group)
    masks = [int(options.get(name, "0xffffffff"), 0) for name in ("--nfmask", "--ctmask")]
    if "--save-mark" in options or "--restore-mark" in options:
        if masks != [_FULL, _FULL] or "--mask" in options:
            return [
                SetMark(lookups.unknown(32, "a mark is copied in part"), "--save-mark" in options)
            ]
        if "--save-mark" in options:
            return [SetMark(lambda way: way.mark, connection=True)]
        return [SetMark(lambda way: way.connection.mark if way.connection.exists else way.mark)]
    return [SetMark(_changed(lambda way: way.connection.mark, options), connection=True)]


def _ct(group: Group, family: str) -> list[Statement]:
    options = _options(group)
    if "--notrack" in options:
        return [NoTrack()]
    if "--helper" not in options:
        return []
    helper = options["--helper"]
    layer4 = _HELPERS.get(helper)
    families = frozenset({"ip"} if helper in _IP4_ONLY else {"ip", "ip6"})
    protocols = (TCP, UDP) if layer4 is None else (layer4,)
    return [AssignHelper(helper, number, families, early=True) for number in protocols]


_ADDRESS = r"\[(?P<six>[^\]]+)\]|(?P<four>[^:\[\]]+|[0-9a-fA-F:]*:[0-9a-fA-F:]*(?:-[0-9a-fA-F:]+)?)"
_TO = re.compile(rf"(?:{_ADDRESS})?(?::(?P<ports>[\d/-]+))?")


def _nat(kind: str, option: str) -> _Compiler:
    def compile_(group: Group, family: str) -> list[Statement]:
        text = _options(group)[option]
        found = _TO.fullmatch(text)
        if found is None:
            raise ValueError(text)
        addresses = found["six"] or found["four"]
        address = _address(addresses, family) if addresses else None
        port = _port(found["ports"]) if found["ports"] else None
        return [Nat(kind, text, address, port, family)]

    return compile_


def _address(text: str, family: str) -> Reader:
    width = 32 if family == "ip" else 128
    first, dash, _ = text.partition("-")
    if dash:
        return lookups.unknown(width, "the router chooses one of a range")
    return lookups.constant(int(ip_address(first)), width)


def _port(text: str) -> Reader:
    if text.isdigit():
        return lookups.constant(int(text), 16)
    return lookups.unknown(16, "the router chooses one of a range")


def _own_address(kind: str) -> _Compiler:
    def compile_(group: Group, family: str) -> list[Statement]:
        text = _options(group).get("--to-ports", "")
        return [Nat(kind, f":{text}" if text else "", None, _port(text) if text else None, family)]

    return compile_


def _trigger(group: Group, family: str) -> list[Statement]:
    """Compile Broadcom's port triggers (ipt_TRIGGER): ``in`` accepts what was triggered."""
    kind = _options(group)["--trigger-type"]
    if kind == "out":
        return []
    if kind != "in":
        return [opaque("what port triggers send on depends on the past")]
    return [Perhaps("a port trigger holds at times"), End(Move(Kind.ACCEPT))]


def _overwrite(four: tuple[int, int], six: tuple[int, int]) -> _Compiler:
    """Compile a target that changes a field of the IP header; what to is not looked at."""

    def compile_(group: Group, family: str) -> list[Statement]:
        offset, width = four if family == "ip" else six
        changed = lookups.unknown(width, f"{group.name} has changed this field")
        return [Write("nh", offset, width, changed)]

    return compile_


_TARGETS: Mapping[str, _Compiler] = {
    "TRIGGER": _trigger,
    "TTL": _overwrite((64, 8), (56, 8)),
    "HL": _overwrite((64, 8), (56, 8)),
    "DSCP": _overwrite((8, 8), (4, 8)),
    "TOS": _overwrite((8, 8), (4, 8)),
    "MARK": _mark,
    "CONNMARK": _connection_mark,
    "CT": _ct,
    "NOTRACK": lambda group, family: [NoTrack()],
    "DNAT": _nat("dnat", "--to-destination"),
    "SNAT": _nat("snat", "--to-source"),
    "MASQUERADE": _own_address("masquerade"),
    "REDIRECT": _own_address("redirect"),
}
