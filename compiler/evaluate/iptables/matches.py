"""Matches of iptables, compiled to tests. All matches of a rule must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from compiler.evaluate import lookups, names
from compiler.evaluate.connection import STATUS
from compiler.evaluate.iptables import u32
from compiler.evaluate.iptables.options import Group, Option
from compiler.evaluate.packet import STATES
from compiler.evaluate.ruleset import Statement
from compiler.evaluate.statements import Match, Perhaps, Test
from compiler.evaluate.value import Span, Truth, Value, every, name_span, negated, some
from compiler.evaluate.way import Reader, Way

_Compiler = Callable[[Option, str], Test]
_PORTED = {"tcp", "udp", "sctp", "dccp", "udplite"}


def matches(groups: Sequence[Group], family: str) -> Iterator[Statement]:
    """Compile the matches of a rule; what is not understood becomes a doubt."""
    for group in groups:
        if group.name == "comment":
            continue
        if group.name == "rpfilter":
            yield Match(_reverse_path(group))
            continue
        known = _MATCHES.get(group.name)
        implied = {} if group.name else _implied(group)
        for option in group.options:
            compile_ = (known or {}).get(option.name) or implied.get(option.name)
            yield _statement(compile_, option, family, group)
        if known is None and not group.options:
            yield Perhaps(f"the match '{group.name}' is not understood")


def _implied(general: Group) -> Mapping[str, _Compiler]:
    """Give the options of the match that ``-p`` brings along, as in ``-p udp --dport 500``."""
    named = next((o for o in general.options if o.name == "-p" and not o.inverted), None)
    words = {"6": "tcp", "17": "udp", "1": "icmp", "ipv6-icmp": "icmp6", "icmpv6": "icmp6"}
    return _MATCHES.get(words.get(named.argument, named.argument), {}) if named else {}


def _statement(compile_: _Compiler | None, option: Option, family: str, group: Group) -> Statement:
    if compile_ is None:
        if group.name in _AT_TIMES:
            return Perhaps(f"-m {group}: it holds at times")
        told = f"{f'-m {group.name} ' if group.name else ''}{option} is not understood"
        return Perhaps(told, kernel=group.name in _BY_THE_PACKET)
    try:
        test = compile_(option, family)
    except (ValueError, KeyError, IndexError):
        return Perhaps(f"{option} is not understood")
    signed: Test = (lambda way: negated(test(way))) if option.inverted else test
    if _ends_at_state(option, group):
        return Match(lambda way: signed(way) if way.connection.exists else True)
    return Match(signed)


def _ends_at_state(option: Option, group: Group) -> bool:
    """Tell whether an option is not looked at where there is no entry: xt_conntrack.c returns."""
    stated = any(one.name == "--ctstate" for one in group.options)
    return group.name == "conntrack" and stated and option.name != "--ctstate"


def _reverse_path(group: Group) -> Test:
    """Ask whether the route back leads out where the packet came in (xt_rpfilter)."""
    inverted = any(option.name == "--invert" for option in group.options)

    def test(way: Way) -> Truth:
        found = Span.of(1).holds(lookups.routed_back(way))
        return negated(found) if inverted else found

    return test


#: Matches that are about time, chance or the past.
_AT_TIMES = frozenset(
    {"limit", "hashlimit", "recent", "connlimit", "quota", "statistic", "time", "connbytes"}
)


#: Matches that are not understood here, and that look at nothing but the packet's own bytes.
_BY_THE_PACKET = frozenset({"bpf", "dscp", "tos"})


def _holds(read: Reader, *spans: Span) -> Test:
    def test(way: Way) -> Truth:
        value = read(way)
        return False if value is None else some(span.holds(value) for span in spans)

    return test


def _network(*, destination: bool) -> _Compiler:
    def compile_(option: Option, family: str) -> Test:
        width = 32 if family == "ip" else 128
        parts = [_masked(part, width) for part in option.argument.split(",")]

        def test(way: Way) -> Truth:
            value = lookups.address(way, destination=destination)
            if value is None:
                return False
            return some(Span.of(number).holds(value.masked(bits)) for number, bits in parts)

        return test

    return compile_


def _masked(part: str, width: int) -> tuple[int, int]:
    text, _, mask = part.partition("/")
    address, bits = ip_address(text), _mask_bits(mask, width)
    if address.max_prefixlen != width:
        raise ValueError(part)
    return int(address) & bits, bits


def _mask_bits(text: str, width: int) -> int:
    if text and not text.isdigit():
        return int(ip_address(text))
    host = width - (int(text) if text else width)
    return (1 << width) - (1 << host)


def _interface(option: Option, family: str) -> Test:
    name = option.argument
    wanted = name_span(f"{name[:-1]}*" if name.endswith("+") else name)
    if name == "+":
        wanted = Span(0, (1 << 128) - 1)
    return _holds(lambda way: way.interface(incoming=option.name == "-i"), wanted)


def _protocol(option: Option, family: str) -> Test:
    word = {"all": "ip"}.get(option.argument, option.argument)
    number: int = names.LAYER4[word] if word in names.LAYER4 else int(word)
    return _holds(lookups.layer4, Span.of(number)) if number else lambda way: True


def _range(text: str, separator: str = ":", largest: int = 0xFFFF) -> Span:
    first, dash, last = text.partition(separator)
    low = int(first or "0", 0)
    return Span(low, (int(last, 0) if last else largest) if dash else low)


def _port(offset: int) -> _Compiler:
    return lambda option, family: _holds(lookups.bits("th", offset, 16), _range(option.argument))


def _ports(*offsets: int) -> _Compiler:
    def compile_(option: Option, family: str) -> Test:
        spans = [_range(part) for part in option.argument.split(",")]
        tests = [_holds(lookups.bits("th", offset, 16), *spans) for offset in offsets]
        return lambda way: some(test(way) for test in tests)

    return compile_


def _tcp_flags(option: Option, family: str) -> Test:
    mask, wanted = (_flags(text) for text in option.arguments[:2])

    def test(way: Way) -> Truth:
        value = way.read("th", 104, 8)
        return False if value is None else Span.of(wanted).holds(value.masked(mask))

    return test


def _syn(option: Option, family: str) -> Test:
    return _tcp_flags(Option("--tcp-flags", ("FIN,SYN,RST,ACK", "SYN")), family)


def _flags(text: str) -> int:
    if text in ("ALL", "NONE"):
        return 0x3F if text == "ALL" else 0
    return sum(names.TCP_FLAGS[word.lower()] for word in text.split(","))


def _icmp(words: Mapping[str, int]) -> _Compiler:
    def compile_(option: Option, family: str) -> Test:
        if option.argument in ("any", "255"):
            return lambda way: True
        kind, slash, code = option.argument.partition("/")
        type_ = _holds(
            lookups.bits("th", 0, 8), Span.of(words[kind] if kind in words else int(kind))
        )
        if not slash:
            return type_
        code_ = _holds(lookups.bits("th", 8, 8), Span.of(int(code)))
        return lambda way: every((type_(way), code_(way)))

    return compile_


def _mark(*, connection: bool) -> _Compiler:
    def compile_(option: Option, family: str) -> Test:
        wanted, slash, mask = option.argument.partition("/")
        bits = int(mask, 0) if slash else 0xFFFFFFFF

        def test(way: Way) -> Truth:
            if connection and not way.connection.exists:
                return option.inverted
            value = way.connection.mark if connection else way.mark
            return Span.of(int(wanted, 0)).holds(value.masked(bits))

        return test

    return compile_


def _states(option: Option, family: str) -> Test:
    words = [word.lower() for word in option.argument.split(",")]
    wanted = sum(STATES[word] for word in words if word not in ("snat", "dnat"))
    translated = sum(STATUS[word] for word in words if word in ("snat", "dnat"))

    def test(way: Way) -> Truth:
        entry = way.connection
        moved = entry.status.any_of(translated) if entry.exists and translated else False
        return some((bool(entry.state_bit & wanted), moved))

    return test


def _entry(read: Callable[[Way], Value], wanted: Callable[[str, str], Span]) -> _Compiler:
    """Test something of the connection's entry; without one the match fails, inverted or not."""

    def compile_(option: Option, family: str) -> Test:
        span = wanted(option.argument, family)

        def test(way: Way) -> Truth:
            return span.holds(read(way)) if way.connection.exists else option.inverted

        return test

    return compile_


def _network_span(text: str, family: str) -> Span:
    network = ip_network(text, strict=False)
    return Span(int(network.network_address), int(network.broadcast_address))


def _tuple(direction: str, part: str) -> _Compiler:
    wanted = _network_span if part.endswith("addr") else (lambda text, family: _range(text))
    if direction == "original":
        return _entry(lambda way: way.connection.original[part], wanted)
    return _entry(lambda way: way.connection.answers[part], wanted)


def _status(option: Option, family: str) -> Test:
    words = {"NONE": 0, "SEEN_REPLY": 2} | {word.upper(): bit for word, bit in STATUS.items()}
    mask = sum(words[word] for word in option.argument.split(","))

    def test(way: Way) -> Truth:
        return way.connection.status.any_of(mask) if way.connection.exists else option.inverted

    return test


def _helper(option: Option, family: str) -> Test:
    """Ask for the helper that has announced the connection (xt_helper.c); an empty name: any."""
    wanted = option.argument

    def test(way: Way) -> Truth:
        master = way.connection.master_helper if way.connection.exists else ""
        return bool(master) and (not wanted or wanted.startswith(master))

    return test


def _kind(*, destination: bool) -> _Compiler:
    def compile_(option: Option, family: str) -> Test:
        spans = [Span.of(names.ROUTES[word.lower()]) for word in option.argument.split(",")]
        return _holds(lambda way: lookups.address_kind(way, destination=destination), *spans)

    return compile_


def _address_range(*, destination: bool) -> _Compiler:
    def compile_(option: Option, family: str) -> Test:
        first, _, last = option.argument.partition("-")
        span = Span(int(ip_address(first)), int(ip_address(last or first)))
        return _holds(lambda way: lookups.address(way, destination=destination), span)

    return compile_


def _length(option: Option, family: str) -> Test:
    return _holds(lookups.length, _range(option.argument))


def _byte(offset: int) -> _Compiler:
    return lambda option, family: _holds(
        lookups.bits("nh", offset, 8), Span.of(int(option.argument))
    )


def _packet_type(option: Option, family: str) -> Test:
    return _holds(lookups.packet_type, Span.of(names.PACKET_TYPES[option.argument]))


def _security_index(option: Option, family: str) -> Test:
    return _holds(lookups.bits("th", 0, 32), _range(option.argument, largest=0xFFFFFFFF))


def _bytes(option: Option, family: str) -> Test:
    checks = u32.parse("".join(option.arguments))
    return lambda way: u32.holds(checks, way)


_PORT_OPTIONS: Mapping[str, _Compiler] = {
    "--sport": _port(0),
    "--dport": _port(16),
}
_MATCHES: Mapping[str, Mapping[str, _Compiler]] = {
    "": {
        "-s": _network(destination=False),
        "-d": _network(destination=True),
        "-f": lambda option, family: lambda way: False,
        "-i": _interface,
        "-o": _interface,
        "-p": _protocol,
    },
    **dict.fromkeys(_PORTED, _PORT_OPTIONS),
    "tcp": {**_PORT_OPTIONS, "--tcp-flags": _tcp_flags, "--syn": _syn},
    "multiport": {
        "--sports": _ports(0),
        "--dports": _ports(16),
        "--ports": _ports(0, 16),
        "--sport": _ports(0),
        "--dport": _ports(16),
        "--port": _ports(0, 16),
    },
    # What is forwarded is routed, not bridged.
    "physdev": {"--physdev-is-bridged": lambda option, family: lambda way: False},
    "icmp": {"--icmp-type": _icmp(names.ICMP_TYPES)},
    "icmp6": {"--icmpv6-type": _icmp(names.ICMPV6_TYPES)},
    "mark": {"--mark": _mark(connection=False)},
    "connmark": {"--mark": _mark(connection=True)},
    "state": {"--state": _states},
    "conntrack": {
        "--ctstate": _states,
        "--ctproto": _entry(lookups.layer4, lambda text, family: Span.of(int(text))),
        "--ctorigsrc": _tuple("original", "saddr"),
        "--ctorigdst": _tuple("original", "daddr"),
        "--ctreplsrc": _tuple("reply", "saddr"),
        "--ctrepldst": _tuple("reply", "daddr"),
        "--ctorigsrcport": _tuple("original", "proto-src"),
        "--ctorigdstport": _tuple("original", "proto-dst"),
        "--ctreplsrcport": _tuple("reply", "proto-src"),
        "--ctrepldstport": _tuple("reply", "proto-dst"),
        "--ctstatus": _status,
        "--ctdir": _entry(
            lambda way: Value.of(int(way.packet.reply), 8),
            lambda text, family: Span.of(names.DIRECTIONS[text.lower()]),
        ),
    },
    "helper": {"--helper": _helper},
    "addrtype": {"--src-type": _kind(destination=False), "--dst-type": _kind(destination=True)},
    "iprange": {
        "--src-range": _address_range(destination=False),
        "--dst-range": _address_range(destination=True),
    },
    "length": {"--length": _length},
    "ttl": {"--ttl-eq": _byte(64)},
    "hl": {"--hl-eq": _byte(56)},
    "pkttype": {"--pkt-type": _packet_type},
    "esp": {"--espspi": _security_index},
    "u32": {"--u32": _bytes},
}
