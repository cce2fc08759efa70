"""Read one rule of nft text: the statements of :mod:`targets.linux.nft` and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from targets.linux import nft
from targets.linux.canonical import canonical_list, element_order, joined_raw
from targets.linux.reader import Reader
from targets.linux.walk import EXPRESSIONS

_LONGEST_EXPRESSION = 4


def read_rule(reader: Reader) -> nft.Rule:
    """Read the statements of a rule.

    Raises:
        NativeError: T407, also for a verdict that a rate limit stands before: what happens to a
            packet would depend on those before it.
    """
    statements: list[nft.Statement] = []
    while reader.next not in ("\n", ";", "}"):
        statements.append(_STATEMENTS.get(reader.next, _other)(reader))
    limited = any(isinstance(statement, nft.Limit) for statement in statements)
    if limited and not isinstance(statements[-1], nft.LogLine):
        raise reader.error("a rate limit that does not limit a log")
    return joined_raw(tuple(statements))


def read_verdict(reader: Reader) -> nft.Verdict:
    """Read ``accept``, ``drop``, ``return`` or a jump.

    Raises:
        NativeError: T407, it is something else.
    """
    if reader.next in ("jump", "goto"):
        return nft.Verdict(reader.take(), reader.take())
    if reader.next in ("accept", "drop", "return"):
        return nft.Verdict(reader.take())
    raise reader.error(f"{reader.next!r} is not a verdict")


def read_key(reader: Reader) -> str:
    """Read an expression, or several that are joined by dots.

    Raises:
        NativeError: T407, it is none that this target writes.
    """
    parts = [_expression(reader)]
    while reader.takes("."):
        parts.append(_expression(reader))
    return " . ".join(parts)


def _counter(reader: Reader) -> nft.Counter:
    reader.expect("counter")
    if reader.takes("packets"):
        reader.number(reader.take())
        reader.expect("bytes")
        reader.number(reader.take())
    return nft.Counter()


def _masquerade(reader: Reader) -> nft.Masquerade:
    reader.expect("masquerade")
    return nft.Masquerade()


def _log(reader: Reader) -> nft.LogLine:
    reader.expect("log", "prefix")
    return nft.LogLine(reader.take().strip('"'))


def _update(reader: Reader) -> nft.Update:
    reader.expect("update")
    set_name = reader.take().removeprefix("@")
    reader.expect("{")
    key = read_key(reader)
    reader.expect("}")
    return nft.Update(set_name, key)


def _dnat(reader: Reader) -> nft.Dnat:
    reader.expect("dnat")
    family = reader.take()
    reader.expect("to")
    return nft.Dnat(family, reader.take())


def _limit(reader: Reader) -> nft.Limit:
    reader.expect("limit", "rate")
    rate, burst = reader.take(), 5
    if reader.takes("burst"):
        burst = reader.number(reader.take())
        reader.expect("packets")
    return nft.Limit(rate, burst)


def _other(reader: Reader) -> nft.Statement:
    if [reader.ahead(i) for i in range(3)] == ["ct", "helper", "set"]:
        reader.expect("ct", "helper", "set")
        return nft.SetHelper(reader.take().strip('"'))
    key = read_key(reader)
    mask = reader.value(key) if reader.takes("&") else ""
    return (_lookup if reader.takes("vmap") else _match)(reader, key, mask)


def _match(reader: Reader, key: str, mask: str) -> nft.Match:
    negated = reader.takes("!=")
    if mask and not negated:
        reader.expect("==")
    if reader.next.startswith("@"):
        return nft.Match(key, (), reader.take().removeprefix("@"), mask, negated)
    if reader.takes("{"):
        values = list(reader.braced(lambda: reader.value(key)))
    else:
        values = [reader.value(key)]
        while reader.takes(","):
            values.append(reader.value(key))
    return nft.Match(key, canonical_list(key, values), "", mask, negated)


def _lookup(reader: Reader, key: str, mask: str) -> nft.Lookup:
    if reader.next.startswith("@"):
        return nft.Lookup(key, reader.take().removeprefix("@"))
    reader.expect("{")
    pairs = [
        (text, verdict.write()) for text, verdict in reader.braced(lambda: read_pair(reader, key))
    ]
    pairs.sort(key=lambda pair: element_order(pair[0]))
    return nft.Lookup(key, "", tuple(pairs), mask)


def read_pair(reader: Reader, key: str) -> tuple[str, nft.Verdict]:
    """Read an element of a verdict map.

    Raises:
        NativeError: T407, it is none.
    """
    text = reader.value(key)
    reader.expect(":")
    return text, read_verdict(reader)


def _expression(reader: Reader) -> str:
    if reader.next.startswith("@"):
        parts = [reader.take()]
        while reader.next == ",":
            parts.append(reader.take() + reader.take())
        found = "".join(parts)
        if found in EXPRESSIONS or found.startswith("@th,"):
            return found
        raise reader.error(f"'{found}' is not an expression of this table")
    for length in range(_LONGEST_EXPRESSION, 0, -1):
        words = " ".join(reader.ahead(i) for i in range(length))
        if words in EXPRESSIONS:
            reader.at += length
            return words
    first = reader.take()
    raise reader.error(f"'{first} {reader.next}' is not an expression of this table")


_STATEMENTS: Mapping[str, Callable[[Reader], nft.Statement]] = MappingProxyType(
    {
        **dict.fromkeys(("accept", "drop", "return", "jump", "goto"), read_verdict),
        "counter": _counter,
        "masquerade": _masquerade,
        "log": _log,
        "limit": _limit,
        "update": _update,
        "dnat": _dnat,
    }
)
