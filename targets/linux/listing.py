"""A table as a flat listing, for diffs and journals."""

from __future__ import annotations

from collections.abc import Mapping

from targets.linux import nft


def items(table: nft.Table) -> Mapping[str, str]:
    """Give each part of the table by name; a chain's rules are the lines of its value."""
    found = {f"helper {h.name}": f"{h.type} {h.protocol} {h.l3proto}" for h in table.helpers}
    for each in table.sets:
        elements = () if each.dynamic else each.elements
        found[f"set {each.name}"] = "\n".join((each.key, *elements))
    for named in table.maps:
        pairs = (f"{key} : {verdict.write()}" for key, verdict in named.elements)
        found[f"map {named.name}"] = "\n".join((named.key, *pairs))
    for chain in table.chains:
        hook = chain.hook
        head = f"{hook.type} {hook.hook} {hook.priority} {hook.policy}" if hook else "-"
        found[f"chain {chain.name}"] = "\n".join((head, *map(nft.write_rule, chain.rules)))
    return found
