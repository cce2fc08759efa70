"""docs/findings.md lists every code, with its meaning; regenerate it with this file as a script."""

from __future__ import annotations

from pathlib import Path

from compiler.model.finding import Code

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
_GROUPS = {
    "P": "Policy and protocol files",
    "I": "Inventory",
    "V": "Variables, templates and secrets",
    "T": "Targets",
    "D": "Deviations of effects from the policy",
    "L": "Lint",
    "B": "Building and output",
    "S": "Sessions with routers",
    "A": "Surveys of foreign configs",
    "E": "Evidence from packets",
    "U": "Usage",
    "X": "Internal",
}


def page() -> str:
    lines = [
        "# Findings",
        "",
        "Every finding has a stable code. Messages may change, codes do not.",
    ]
    for letter, title in _GROUPS.items():
        lines += ["", f"## {letter}: {title}", "", "| code | about |", "|---|---|"]
        lines += [
            f"| {code.name} | {code.value.replace('|', chr(92) + '|')} |"
            for code in Code
            if code.name.startswith(letter)
        ]
    return "\n".join(lines) + "\n"


def test_the_page_lists_every_code() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
