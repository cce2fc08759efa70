"""Read the whole listing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from compiler.errors import NativeError
from compiler.evaluate import names
from compiler.evaluate.mentions import links_of, networks_of
from compiler.evaluate.nft.objects import Helper, Name, Objects, Scope
from compiler.evaluate.nft.statement import statements
from compiler.evaluate.nft.text import rule_text
from compiler.evaluate.ruleset import Chain, Hook, Rule
from compiler.evaluate.walk import Ruleset
from compiler.model.finding import Code, Place

FILE = "nft -j list ruleset"
_FAMILIES = frozenset({"ip", "ip6", "inet"})
#: Families whose chains see packets that are routed, before or after the IP hooks.
_BENEATH = frozenset({"netdev", "bridge"})
_HOOKS = frozenset({"prerouting", "input", "forward", "output", "postrouting"})


def load_nft(text: str) -> Ruleset:
    """Read what ``nft -j list ruleset`` prints.

    Raises:
        NativeError: T407, the text is not such a listing, or only a part of one.
    """
    try:
        return _Listing(_objects(text)).ruleset()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(f"an entry of the listing is not as nft writes it: {error!r}") from None


def _objects(text: str) -> list[tuple[str, dict[str, Any]]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = Place(FILE, getattr(error, "lineno", 0), getattr(error, "colno", 0))
        raise _unreadable("the text is not JSON, or ends too early", place) from None
    listed = data.get("nftables") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise _unreadable("the text holds no list 'nftables'")
    found = [next(iter(entry.items())) for entry in listed if isinstance(entry, dict) and entry]
    if not any(word == "metainfo" for word, _ in found):
        raise _unreadable("the listing has no 'metainfo': it is not what nft prints")
    return found


def _unreadable(message: str, place: Place | None = None) -> NativeError:
    return NativeError(
        NativeError.of(
            Code.T407, message, place or Place(FILE), "give all that `nft -j list ruleset` prints"
        ).findings
    )


class _Listing:
    """The entries of a listing, by kind."""

    def __init__(self, entries: list[tuple[str, dict[str, Any]]]) -> None:
        self._entries = entries
        self._objects = Objects(
            {_name(e): e for e in self._each("set", "map")},
            {_name(e): _helper(e) for e in self._each("ct helper")},
            frozenset(_name(e) for e in self._each("chain")),
            frozenset(self._filled()),
        )
        self._dormant = {
            (e["family"], e["name"]) for e in self._each("table") if "dormant" in e.get("flags", ())
        }
        # nft 1.0.6 prints the name of the table in the place of its flag.
        self._misprinted = {
            (e["family"], e["name"]): f"table {e['name']} may be dormant: nft misprints its flag"
            for e in self._each("table")
            if e.get("flags") == e["name"]
        }

    def ruleset(self) -> Ruleset:
        rules: dict[Name, list[Rule]] = {name: [] for name in self._objects.chains}
        for entry in self._each("rule"):
            name = (entry["family"], entry["table"], entry["chain"])
            if name not in rules:
                raise _unreadable(
                    f"a rule stands in chain {name[2]}, which the listing does not hold"
                )
            rules[name].append(_rule(entry, Scope(name[0], name[1], self._objects)))
        chains = {
            _name(e): Chain(
                e["family"], e["table"], e["name"], tuple(rules[_name(e)]), self._hook(e)
            )
            for e in self._each("chain")
        }
        offloads = any("flow" in part for e in self._each("rule") for part in e["expr"])
        return Ruleset(
            chains,
            tuple(self._notes()),
            offloads=offloads,
            hidden=next(self._elsewhere(), ""),
            zoned=any(map(_zones, self._each("rule"))),
            links=frozenset(links_of(self._entries)),
            networks=frozenset(networks_of([entry for _, entry in self._entries])),
        )

    def _each(self, *words: str) -> Iterator[dict[str, Any]]:
        """Give the entries of some kinds that belong to the families that are read."""
        for word, entry in self._entries:
            if word in words and entry.get("family") in _FAMILIES:
                yield entry

    def _filled(self) -> Iterator[Name]:
        """Give the sets that rules add to or delete from."""
        for entry in self._each("rule"):
            if not all(isinstance(part, dict) for part in entry["expr"]):
                # A chain without a name, which nft lists as text; it may do anything in its table.
                sets = (_name(e) for e in self._each("set", "map"))
                yield from (name for name in sets if name[:2] == (entry["family"], entry["table"]))
                continue
            for part in entry["expr"]:
                inner = part.get("set") or part.get("map")
                if isinstance(inner, dict):
                    named = str(inner.get("set") or inner.get("map")).removeprefix("@")
                    yield entry["family"], entry["table"], named

    def _hook(self, entry: dict[str, Any]) -> Hook | None:
        if entry.get("hook") not in _HOOKS or (entry["family"], entry["table"]) in self._dormant:
            return None
        policy = entry.get("policy", "accept")
        if policy not in ("accept", "drop"):
            raise ValueError(f"policy {policy}")
        perhaps = self._misprinted.get((entry["family"], entry["table"]), "")
        return Hook(entry["type"], entry["hook"], int(entry["prio"]), str(policy), perhaps)

    def _elsewhere(self) -> Iterator[str]:
        """Give the chains that are not looked at, and that may stop packets all the same."""
        busy = {_of(e) for word, e in self._entries if word == "rule"}
        for word, entry in self._entries:
            other = entry.get("family") in _BENEATH or entry.get("hook") in ("ingress", "egress")
            if word == "chain" and other and "hook" in entry:
                stops = entry.get("policy") == "drop" or _name(entry) in busy
                if stops:
                    yield f"chain {entry['name']} at hook {entry['hook']} is not looked at"

    def _notes(self) -> Iterator[str]:
        for word, entry in self._entries:
            family, name = entry.get("family"), entry.get("name")
            if word == "table" and family not in _FAMILIES:
                yield f"table {family} {name} is not looked at: it is no IP table"
            if word == "chain" and family in _FAMILIES and entry.get("hook", "input") not in _HOOKS:
                yield f"chain {name} at hook {entry['hook']} is not looked at"
        for family, name in sorted(self._dormant):
            yield f"table {family} {name} is dormant"


def _of(rule: dict[str, Any]) -> Name:
    return str(rule["family"]), str(rule["table"]), str(rule["chain"])


def _zones(rule: dict[str, Any]) -> bool:
    keys = [part["mangle"]["key"] for part in rule["expr"] if "mangle" in part]
    return {"ct": {"key": "zone"}} in keys


def _name(entry: dict[str, Any]) -> Name:
    return str(entry["family"]), str(entry["table"]), str(entry["name"])


def _helper(entry: dict[str, Any]) -> Helper:
    stated = str(entry.get("l3proto", "inet"))
    families = frozenset({"ip", "ip6"}) if stated == "inet" else frozenset({stated})
    return Helper(str(entry["type"]), names.LAYER4[str(entry["protocol"])], families)


def _rule(entry: dict[str, Any], scope: Scope) -> Rule:
    text = rule_text(entry["expr"])
    return Rule(f"handle {entry['handle']}", text, statements(entry["expr"], scope))
