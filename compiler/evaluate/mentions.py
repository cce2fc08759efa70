"""What rules mention: interfaces and addresses, so that a probe can stay clear of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range
from typing import Any

from compiler.model.device import Network

_LINK_KEYS = frozenset({"iifname", "oifname", "iif", "oif", "ibrname", "obrname", "sdifname"})
_WORD = re.compile(r"[0-9A-Fa-f.:]+(?:/[0-9A-Fa-f.:]+)?")
_NAME = re.compile(r"[^\s/@]{1,16}")


def networks_in(text: str) -> Iterator[Network]:
    """Give the addresses and networks of a rule as people write them."""
    for word in _WORD.findall(text):
        if word.count(".") == 3 or word.count(":") > 1:
            yield from _network(word)


def _network(word: str) -> Iterator[Network]:
    for form in (word, word.partition("/")[0]):
        try:
            yield ip_network(form, strict=False)
        except ValueError:
            continue
        return


def networks_of(data: Any) -> Iterator[Network]:
    """Give the addresses, networks and ranges in a part of nft's listing."""
    if isinstance(data, str):
        yield from _network(data) if _WORD.fullmatch(data) else ()
    elif isinstance(data, list):
        for item in data:
            yield from networks_of(item)
    elif isinstance(data, dict):
        prefix, span = data.get("prefix"), data.get("range")
        if isinstance(prefix, dict):
            yield from _network(f"{prefix.get('addr')}/{prefix.get('len')}")
        elif isinstance(span, list) and len(span) == 2:
            yield from _span(*span)
        else:
            for item in data.values():
                yield from networks_of(item)


def _span(first: Any, last: Any) -> Iterator[Network]:
    try:
        low, high = ip_address(first), ip_address(last)
        match low, high:
            case IPv4Address(), IPv4Address():
                yield from summarize_address_range(low, high)
            case IPv6Address(), IPv6Address():
                yield from summarize_address_range(low, high)
    except (ValueError, TypeError):
        return


def links_of(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Give the interfaces that the entries of nft's listing name."""
    for word, entry in entries:
        if word == "rule":
            yield from _links_in(entry.get("expr"))
        elif word in ("set", "map") and "ifname" in (types := _listed(entry.get("type"))):
            for element in _listed(entry.get("elem")):
                yield from _at(_key(element), types.index("ifname"), len(types))
        elif word in ("flowtable", "chain"):
            yield from (name for name in _listed(entry.get("dev")) if isinstance(name, str))


def _links_in(data: Any) -> Iterator[str]:
    for item in _listed(data):
        if not isinstance(item, dict):
            continue
        for word, inner in item.items():
            if word == "match" and isinstance(inner, dict):
                yield from _asked(inner.get("left"), _members(inner.get("right")))
            elif word in ("vmap", "map") and isinstance(inner, dict):
                yield from _asked(inner.get("key"), _members(inner.get("data")))
            else:
                yield from _links_in(inner if isinstance(inner, list) else [inner])


def _asked(left: Any, members: list[Any]) -> Iterator[str]:
    parts = left["concat"] if isinstance(left, dict) and "concat" in left else [left]
    for place, part in enumerate(_listed(parts)):
        if _is_link(part):
            for member in members:
                yield from _at(_key(member), place, len(parts))


def _is_link(part: Any) -> bool:
    meta = part.get("meta") if isinstance(part, dict) else None
    return isinstance(meta, dict) and meta.get("key") in _LINK_KEYS


def _members(data: Any) -> list[Any]:
    return _listed(data["set"] if isinstance(data, dict) and "set" in data else data)


def _key(element: Any) -> Any:
    while isinstance(element, dict) and isinstance(element.get("elem"), dict):
        element = element["elem"].get("val")
    if isinstance(element, list) and element:
        return _key(element[0])
    return element


def _at(key: Any, place: int, parts: int) -> Iterator[str]:
    if parts > 1:
        listed = _listed(key.get("concat")) if isinstance(key, dict) else []
        key = listed[place] if place < len(listed) else None
    if isinstance(key, str) and _NAME.fullmatch(key) and key != "*":
        yield key


def _listed(data: Any) -> list[Any]:
    return data if isinstance(data, list) else [] if data is None else [data]
