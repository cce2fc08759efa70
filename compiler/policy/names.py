"""Protocol names in plays: known, spelled well, and each only once."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.catalogue import Catalogue
from compiler.model.finding import Code, Finding, Place
from compiler.policy.plays import Play
from compiler.source.template import is_template


def check_names(plays: Sequence[Play], catalogue: Catalogue) -> list[Finding]:
    """Find protocols that no catalogue knows (P104), and ones named twice under an alias."""
    findings: list[Finding] = []
    for play in plays:
        seen: dict[str, str] = {}
        for name in play.passthrough:
            if name == "default":
                continue
            protocol = catalogue.get(str(name))
            place = play.key_place("passthrough", name)
            if protocol is None:
                findings.append(unknown_protocol(str(name), place, catalogue))
            elif protocol.id in seen:
                text = f"'{name}' and '{seen[protocol.id]}' are the same protocol"
                findings.append(Finding(Code.P103, text, place=place))
            else:
                seen[protocol.id] = str(name)
        for index, exposure in enumerate(play.exposures):
            name = str(exposure["protocol"])
            if not is_template(name) and catalogue.get(name) is None:
                place = play.place("expose", index, "protocol")
                findings.append(unknown_protocol(name, place, catalogue))
    return findings


def unknown_protocol(name: str, place: Place, catalogue: Catalogue) -> Finding:
    """Say that no protocol has this name (P104), and which one may be meant."""
    close = catalogue.suggest(name)
    shown = name if len(name) <= 60 and name.isprintable() else ascii(name)[1:58] + "..."
    hint = f"did you mean '{close}'?" if close else "`passthru protocols` lists them"
    return Finding(Code.P104, f"unknown protocol '{shown}'", place=place, hint=hint)
