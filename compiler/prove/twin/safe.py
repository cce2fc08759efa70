"""Foreign rules, made harmless for the tools that load them.

``nft -j`` takes commands besides objects; ``iptables-restore`` takes ``--modprobe PROGRAM`` in any
rule, in every spelling of getopt(3), and loads the libraries that matches and targets are called
after. So a listing is rebuilt of the objects that a listing holds, and a saved table must be
written as ``iptables-save`` writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from typing import Any

#: What a listing holds, in the order in which it can be loaded.
_OBJECTS = (
    *("table", "chain", "counter", "quota", "limit", "secmark", "synproxy", "ct helper"),
    *("ct timeout", "ct expectation", "flowtable", "set", "map", "element", "rule"),
)
_FAMILIES = frozenset({"ip", "ip6", "inet"})
_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"\'\\]+')
_RULE = re.compile(r'(?:(?:"(?:[^"\\]|\\.)*"|[^\s"\'\\]+)(?:\s+|$))+')
_COUNTERS = re.compile(r"\[\d+:\d+\]\s+")
_CHAIN = re.compile(r":[^\s\"'\\/]{1,32} (?:ACCEPT|DROP|-)(?: \[\d+:\d+\])?")
_TABLES = frozenset(f"*{name}" for name in ("raw", "mangle", "nat", "filter", "security"))
#: The short options that iptables-save prints; getopt would read others out of longer words.
_SHORT = frozenset({"-A", "-s", "-d", "-i", "-o", "-p", "-m", "-j", "-g", "-f"})
_LONG = re.compile(r"--[a-z0-9][a-z0-9-]*", re.IGNORECASE)
#: Options that begin like ``--modprobe``, of which any beginning would do.
_NOT_MODPROBE = frozenset({"--mode", "--monthdays"})
_COMMENT = ("-m", "comment", "--comment")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,31}")
#: Targets of the kernel that do nothing outside of their namespace.
_TARGETS = frozenset({
    "ACCEPT", "DROP", "REJECT", "RETURN", "LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "CT",
    "NOTRACK", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "TCPMSS", "TCPOPTSTRIP", "DSCP",
    "TOS", "TTL", "HL", "CLASSIFY", "CHECKSUM", "ECN", "SECMARK", "CONNSECMARK",
})  # fmt: skip


def listing(text: str, absent: Container[str] = ()) -> str:
    """Rebuild a listing of nft's for ``nft -j -f``: objects alone, in an order that loads.

    NAT helpers of an ``absent`` type are left out, with the rules that assign them.
    """
    held: dict[str, list[dict[str, Any]]] = {word: [] for word in _OBJECTS}
    for entry in json.loads(text)["nftables"]:
        for word, inner in entry.items():
            if word in held and isinstance(inner, dict) and inner.get("family") in _FAMILIES:
                held[word].append(inner)
    gone = {one.get("name") for one in held["ct helper"] if one.get("type") in absent}
    held["ct helper"] = [one for one in held["ct helper"] if one.get("name") not in gone]
    held["rule"] = [one for one in held["rule"] if not _assigned(one) & gone]
    entries = [{word: one} for word in _OBJECTS for one in held[word]]
    return json.dumps({"nftables": entries})


def helpers(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the types of the NAT helpers of a listing, each with one that can be loaded alone."""
    for entry in json.loads(text)["nftables"] if text else ():
        inner = entry.get("ct helper") if isinstance(entry, dict) else None
        if isinstance(inner, dict) and inner.get("family") in _FAMILIES:
            yield str(inner.get("type")), inner


def _assigned(rule: dict[str, Any]) -> set[str]:
    parts = rule.get("expr")
    found = (part.get("ct helper") for part in parts or () if isinstance(part, dict))
    return {name for name in found if isinstance(name, str)}


def refusal(saved: str) -> str:
    """Say why a saved table is not loaded; empty where it is."""
    chains = {line[1:].split(" ")[0] for line in saved.splitlines() if line.startswith(":")}
    for number, line in enumerate(saved.splitlines(), 1):
        why = _line(line.strip(), chains)
        if why:
            return f"line {number}: {why}"
    return ""


def _line(line: str, chains: set[str]) -> str:
    if not line or line.startswith("#") or line == "COMMIT" or line in _TABLES:
        return ""
    if line.startswith(":"):
        return "" if _CHAIN.fullmatch(line) else "this chain is not written as iptables-save does"
    rule = _COUNTERS.sub("", line, count=1)
    if not _RULE.fullmatch(rule):
        return "this rule is not written as iptables-save does"
    words = [word.strip('"') for word in _WORDS.findall(rule)]
    return next(_wrong(words, chains), "")


def _wrong(words: list[str], chains: set[str]) -> Iterator[str]:
    if words[0] != "-A":
        yield "this is no rule"
    for at, (word, after) in enumerate(zip(words, [*words[1:], ""], strict=True)):
        if tuple(words[max(at - 3, 0) : at]) == _COMMENT:
            continue  # whatever it is, it is an argument
        if not _is_plain(word):
            yield f"a twin takes no option {word[:20]!a}"
        if word in ("-m", "-p", "-j", "-g") and not _NAME.fullmatch(after):
            yield f"{after[:20]!a} is no name"
        if word == "-j" and after not in _TARGETS and after not in chains:
            yield f"a twin does not load the target {after}"


def _is_plain(word: str) -> bool:
    """Tell whether getopt can take a word for nothing but what iptables-save means by it."""
    if not word.startswith("-") or len(word) == 1 or word[1].isdigit():
        return True
    if not word.startswith("--"):
        return word in _SHORT or not word[1].isalpha()
    if len(word) == 2 or not word[2].isalnum():
        return True
    return _LONG.fullmatch(word) is not None and (
        not word.startswith("--mo") or word in _NOT_MODPROBE
    )
