"""Which listing a text is: ``nft -j``, nft's own language, iptables-save; then its rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from compiler.errors import NativeError
from compiler.evaluate import Ruleset, load_nft
from compiler.evaluate.iptables import saved
from compiler.evaluate.loadable import Texts
from compiler.model.finding import Code, Finding, Place, Severity
from targets.linux import convert

_NFT = re.compile(
    r"^\s*(table\s+((ip|ip6|inet|arp|bridge|netdev)\s+)?[\w.\"-]+\s*\{|(add|create|flush)\s+"
    r"(table|chain|rule|ruleset)\b|#!\s*/\S*nft\b)",
    re.MULTILINE,
)
_OTHERS = (
    (re.compile(r"<\s*(!doctype|html|head|body)\b", re.IGNORECASE), "this is a web page"),
    (
        re.compile(r"^Chain \S+ \((policy|\d+ references)", re.MULTILINE),
        "this is what `iptables -L` prints, which leaves interfaces and more out",
    ),
    (
        re.compile(r"^-[PNA] \S+", re.MULTILINE),
        "this is one table, as `iptables -S` prints it, and the others are not here",
    ),
    (
        re.compile(r"^\s*(sudo\s+)?ip6?tables\s+-", re.MULTILINE),
        "this is a script, and what it does depends on what was there before",
    ),
)
_HINT = "give all that `nft -j list ruleset` or `iptables-save` prints"


@dataclass(frozen=True, slots=True)
class Listing:
    """The rules of a text, what is to be said about it, and the text for a kernel."""

    ruleset: Ruleset
    findings: tuple[Finding, ...] = ()
    texts: Texts = field(default_factory=Texts)


def load(text: str) -> Listing:
    """Read any listing that Linux firewalls print.

    Raises:
        NativeError: T407, it is none, or only a part of one.
    """
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not plain.strip():
        raise _refusal("the text is empty")
    if "\x00" in plain:
        raise _refusal("the text holds NUL bytes: it is no text")
    if plain.lstrip().startswith(("{", "[")):
        return _noted(plain)
    if saved.is_saved(plain):
        found = saved.load(plain)
        return Listing(found.ruleset, (*found.findings, *_notes(found.ruleset)), found.texts)
    if _NFT.search(plain):
        return _noted(convert.to_json(plain))
    told = next((message for pattern, message in _OTHERS if pattern.search(plain)), "")
    raise _refusal(told or "this is no listing of firewall rules")


def _refusal(message: str) -> NativeError:
    return NativeError(NativeError.of(Code.T407, message, Place("ruleset"), _HINT).findings)


def _noted(listing: str) -> Listing:
    ruleset = load_nft(listing)
    return Listing(ruleset, tuple(_notes(ruleset)), Texts(nft=listing))


def _notes(ruleset: Ruleset) -> Iterator[Finding]:
    for note in ruleset.notes:
        yield Finding(Code.A803, note, Severity.INFO)
    rules = [rule.text for chain in ruleset.chains.values() for rule in chain.rules]
    if any(text.startswith("xt") or " xt" in text for text in rules):
        yield Finding(
            Code.A803,
            "iptables-nft has written rules here that this listing does not hold in full",
            Severity.WARNING,
            hint="give what `iptables-save` and `ip6tables-save` print instead",
        )
