"""``config include`` and ``config ipset``: what other files and programs put into the ruleset."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from targets.openwrt.fw4 import nft, signatures
from targets.openwrt.fw4.ruleset import Rule, Set
from targets.openwrt.fw4.schema import Vanishes
from targets.openwrt.fw4.state import SetFound, State
from targets.openwrt.fw4.values import port

USER_SCRIPT = "/etc/firewall.user"
_TYPES = {"mac": "ether_addr", "port": "inet_service"}


def add_include(state: State, origin: str, options: dict[str, Any]) -> None:
    """Take an include in. What its file holds is in the config only where it is one of ours.

    Raises:
        Vanishes: fw4 skips it.
    """
    path, position = options["path"], options.get("position")
    if options["type"] == "script":
        if not options.get("fw4_compatible", path != USER_SCRIPT):
            raise Vanishes(f"{path} is not marked as compatible with fw4")
        if "chain" in options or position is not None:
            raise Vanishes("a script has neither chain nor position")
        state.doubts.append(f"{origin}: what the script {path} does is not known")
        return
    if position is None or not position.startswith("chain-"):
        state.doubts.append(f"{origin}: what {path} holds is not known")
        return
    chain = options.get("chain")
    if chain is None:
        raise Vanishes(f"position '{position}' needs a chain")
    where = state.before if position == "chain-prepend" else state.after
    marks = state.files.get(path)
    if marks:
        where.setdefault(chain, []).extend(signatures.rules(marks, origin))
        return
    part = nft.opaque(f"what {path} holds is not known")
    where.setdefault(chain, []).append(Rule((part,), origin))


def add_set(state: State, origin: str, options: dict[str, Any]) -> None:
    """Take a named set in.

    Raises:
        Vanishes: fw4 skips it.
    """
    parts: tuple[tuple[str, str], ...] = options.get("match", ())
    types = [type_ for _, type_ in parts]
    family = options["family"]
    if not parts:
        raise Vanishes("it matches nothing: option 'match' is missing")
    if family == 0 and {"ip", "net"} & set(types):
        raise Vanishes("a set of addresses needs a family")
    if "set" in types:
        raise Vanishes("fw4 has no sets of sets")
    address = "ipv4_addr" if family == 4 else "ipv6_addr"
    names = tuple(_TYPES.get(type_, address) for type_ in types)
    entries = [
        _entry(text.split(), names, family, "net" in types) for text in options.get("entry", ())
    ]
    known = tuple(entry for entry in entries if entry is not None)
    # without entries of its own, a set is there for programs to fill
    changes = (
        not entries or None in entries or "loadfile" in options or int(options["timeout"]) >= 0
    )
    found = Set(options["name"], names, known, "net" in types, changes)
    if options["name"] in state.sets:
        state.refusals.append(f"{origin}: two sets have one name")
    related = family if {"ip", "net"} & set(types) else 0
    state.sets[options["name"]] = SetFound(found, family or related, tuple(d for d, _ in parts))


def _entry(
    words: list[str],
    types: tuple[str, ...],
    family: int,
    networks: bool,  # noqa: FBT001 - internal
) -> tuple[str, ...] | None:
    """Read an element; ``None`` where fw4 may read it in another way."""
    if len(words) != len(types):
        return None
    found = tuple(
        _part(word, type_, family, networks) for word, type_ in zip(words, types, strict=True)
    )
    return None if "" in found else found


def _part(word: str, type_: str, family: int, networks: bool) -> str:  # noqa: FBT001 - internal
    if type_ == "inet_service":
        number = port(word)
        return number.text if number and number.first == number.last and not number.negated else ""
    if type_ == "ether_addr":
        return ""
    try:
        network = ip_network(word, strict=False)
    except ValueError:
        return ""
    if network.version != family:
        return ""
    return str(network) if networks else str(network.network_address)


def helpers_used(rules: Iterator[Rule]) -> Iterator[str]:
    """Name the helpers that rules assign."""
    for rule in rules:
        for part in rule.parts:
            name = part.data.get("ct helper")
            if isinstance(name, str):
                yield name
