"""The nvram form of firmware that keeps its firewall script in an nvram value too."""

from __future__ import annotations

from compiler.toggles.nvram import NvramForm
from compiler.toggles.script import BEGIN, END, Place


def scripted_form(place: Place, restart: str, facts: str) -> NvramForm:
    """Build the form whose ``apply.sh`` also merges our lines into the value."""
    return NvramForm(
        restart=restart,
        facts=facts,
        template="toggles/nvram-script.sh.j2",
        values={"name": place.name, "mark": place.mark, "begin": BEGIN, "end": END},
    )
