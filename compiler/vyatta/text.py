"""Print settings as commands, and put them into a config that is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.rules import block
from compiler.vyatta.dialect import HELPER, Dialect
from compiler.vyatta.read import Command, Path, fail, is_tree, read
from compiler.vyatta.settings import (
    ON,
    VyattaSettings,
    helper_state,
    is_attachment,
    is_ours,
    nodes,
)

HEADER = "# passthru: what is ours in this config; apply.sh puts it in place of what was.\n"
_PLAIN = re.compile(r"[A-Za-z0-9_./:,@+-]+")
_VERB = re.compile(r"(\s*)(?:set|delete)\b")


def word(text: str) -> str:
    """Quote a word as ``show configuration commands`` does, where it needs it."""
    return text if _PLAIN.fullmatch(text) else "'" + text.replace("'", "'\\''") + "'"


def command(path: Path, verb: str = "set") -> str:
    """Print one command."""
    return " ".join((verb, *map(word, path)))


def native(settings: VyattaSettings, dialect: Dialect) -> str:
    """Print our commands as a file that says what it is."""
    return HEADER + block.block(list(_lines(settings, dialect)))


def _lines(settings: VyattaSettings, dialect: Dialect) -> Iterator[str]:
    if settings.helper:
        yield _helper(settings.helper, dialect)
    yield from map(command, settings.paths)


def _helper(state: str, dialect: Dialect) -> str:
    if dialect.helper_off:
        return command((*HELPER, "disable"), "delete" if state == ON else "set")
    return command(HELPER, "set" if state == ON else "delete")


def merge(settings: VyattaSettings, text: str, dialect: Dialect, file: str) -> str:
    """Put settings into a list of commands; every line that is not ours stays byte for byte.

    Our commands come at the end. A foreign line about the helper is turned where it stands.

    Raises:
        NativeError: the text cannot be read, is a config tree, or has rules with our numbers.
    """
    if is_tree(text):
        raise fail(file, 0, "commands cannot be put into a config tree")
    commands = read(text, file)
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    spans = block.spans(lines)
    if spans is None:
        raise fail(file, 0, "our own block in this text is cut off")
    inside = {number for first, last in spans for number in range(first, last + 1)}
    marked = nodes(command.path for command in commands)
    dropped = inside | {c.line for c in commands if is_ours(c.path, marked)}
    foreign = [c for c in commands if c.line not in dropped]
    _check(settings, foreign, file)
    turned = dict(_turned(settings, foreign, dialect, lines))
    rest = "".join(turned.get(n, line) for n, line in enumerate(lines) if n not in dropped)
    ours = VyattaSettings(settings.paths) if turned else settings
    return block.with_block(rest, list(_lines(ours, dialect)))


def _turned(
    settings: VyattaSettings, foreign: list[Command], dialect: Dialect, lines: list[str]
) -> Iterator[tuple[int, str]]:
    """Give the foreign lines about the helper as they must be."""
    for each in foreign:
        state = helper_state(each, dialect)
        if settings.helper and state:
            verb = each.verb if state == settings.helper else _OTHER[each.verb]
            yield each.line, _VERB.sub(rf"\g<1>{verb}", lines[each.line], count=1)


_OTHER = {"set": "delete", "delete": "set"}


def _check(settings: VyattaSettings, foreign: list[Command], file: str) -> None:
    """Refuse rules with our numbers, and another ruleset where ours must go."""
    ours = nodes(settings.paths)
    attached = {path[:-1] for path in settings.paths if is_attachment(path)}
    for each in foreign:
        taken = next(
            (each.path[:n] for n in range(1, len(each.path) + 1) if each.path[:n] in ours), ()
        )
        if taken:
            hint = "give it another number (`rename rule N to rule M`), or set passthru_rule_base"
            raise fail(file, each.line, f"`{' '.join(taken)}` is taken and not ours", hint)
        if each.path[:-1] in attached:
            hint = f"passthru_ruleset: {each.path[-1]}"
            raise fail(file, each.line, "the interface has another ruleset there", hint)
