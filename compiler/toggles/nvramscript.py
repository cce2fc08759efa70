"""The nvram form of firmware that keeps its firewall script in an nvram value too."""

from __future__ import annotations

from compiler.model.target import Guard
from compiler.toggles.nvram import TRIAL, NvramForm
from compiler.toggles.render import shell_text
from compiler.toggles.script import BEGIN, CHAIN, END, Place


def scripted_form(place: Place, restart: str, facts: str, boot: str) -> NvramForm:
    """Build the form whose ``apply.sh`` also merges our lines into the value.

    ``boot`` is the key of the script that the firmware runs at boot.
    """
    return NvramForm(
        restart=restart,
        facts=facts,
        template="toggles/nvram-script.sh.j2",
        values={
            "name": place.name,
            "mark": place.mark,
            "begin": BEGIN,
            "end": END,
            "chain": CHAIN,
        },
        guard=Guard(
            TRIAL.volatile,
            TRIAL.durable,
            shell_text("toggles/nvram-hook.sh.j2", (), {"key": boot, "on": "on"}),
            shell_text("toggles/nvram-hook.sh.j2", (), {"key": boot, "on": ""}),
        ),
    )
