"""The form of routers that nobody can be sure to reach by a command: a person sets the switches.

The bundle holds ``settings.txt``, lines of ``key=value`` as the router's own store names the
switches, and ``instructions.txt``, which says in words what to do. A listing that a person has
got off the router (``key=value`` or ``key value``, one a line) can be read back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from compiler.errors import NativeError
from compiler.model.finding import Code
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, File, Procedure
from compiler.toggles.family import Family, Scalar
from compiler.toggles.nvram import clean, texts

NATIVE = "settings.txt"
INSTRUCTIONS = "instructions.txt"
#: The first line of our own file: in it an absent key is not managed.
HEADER = "# passthru: switches that are managed; those that are absent here are left alone"
#: What follows a key in a line: ``=value``, ``= value`` or `` value``.
_REST = re.compile(r"(?P<sign>[ \t]*=[ \t]*|[ \t]+)(?P<value>.*?)\s*")


@dataclass(frozen=True, slots=True)
class ByHand:
    """``where`` and ``after`` complete the instructions: the page or store, and what applies it."""

    where: str
    after: str
    words: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"1": "enabled", "0": "disabled"})
    )
    options: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {"observed": "path of a saved listing of the switches, a line of key=value for each"}
        )
    )

    def parse(self, family: Family, text: str) -> dict[str, Scalar]:
        """Read our own file (absent keys are unmanaged) or a listing (absent keys are not known).

        Raises:
            NativeError: empty, cut off in a line, contradictory, or none of the keys is there.
        """
        own = _is_own(text)
        found: dict[str, str] = {}
        for number, key, value, _ in _lines(family, text):
            if found.setdefault(key, value) != value:
                raise NativeError.of(Code.T407, f"line {number} gives {key} a second, other value")
        if not own and not found:
            raise NativeError.of(
                Code.T407,
                f"the listing holds none of the switches of {family.name}",
                hint=f"expected one of: {', '.join(family.keys)}",
            )
        return dict(_read(family, found, own=own))

    def merge(self, family: Family, values: Mapping[str, Scalar], text: str, observed: str) -> str:
        """Set the managed switches in a listing; our own file is ours and is written anew."""
        if _is_own(text):
            return self.render(family, values, observed).native_text
        self.parse(family, text)
        left = texts(values)
        lines = text.split("\n")
        for number, key, value, sign in list(_lines(family, text)):
            wanted = left.get(key)
            if wanted is not None and wanted != value:
                end = "\r" if lines[number - 1].endswith("\r") else ""
                lines[number - 1] = f"{key}{sign}{wanted}{end}"
        present = {key for _, key, _, _ in _lines(family, text)}
        ending = "\r\n" if "\r\n" in text else "\n"
        more = [f"{key}={left[key]}{ending}" for key in sorted(left.keys() - present)]
        return "\n".join(lines) + "".join(more)

    def render(self, family: Family, values: Mapping[str, Scalar], observed: str) -> Bundle:
        """Print ``settings.txt`` and ``instructions.txt``."""
        del observed
        native = "".join(f"{key}={value}\n" for key, value in sorted(texts(values).items()))
        files = (
            File(INSTRUCTIONS, self._instructions(family, texts(values)).encode()),
            File(NATIVE, f"{HEADER}\n{native}".encode()),
        )
        return Bundle(files, NATIVE)

    def _instructions(self, family: Family, values: Mapping[str, str]) -> str:
        if not values:
            return "Nothing is to be set on this router.\n"
        switches = (
            f"- {toggle.title}: {self.words.get(values[toggle.key], values[toggle.key])}"
            f"   ({toggle.key} = {values[toggle.key]})\n"
            for toggle in family.toggles
            if toggle.key in values
        )
        return (
            f"{self.where}\nSet these, and leave everything else as it is:\n\n"
            f"{''.join(switches)}\n{self.after}\n"
        )

    def procedure(self, family: Family, values: Mapping[str, Scalar]) -> Procedure:
        """Give the steps for a person."""
        del family, values
        return Procedure(
            "file",
            (
                _step(StepName.READ, "note the present state of the switches"),
                _step(StepName.APPLY, f"do what {INSTRUCTIONS} says"),
                _step(StepName.VERIFY, f"look at the switches again and compare with {NATIVE}"),
                _step(StepName.ROLLBACK, "set the switches as they were noted"),
            ),
        )


def _step(name: StepName, says: str) -> Step:
    return Step(name, says, request=INSTRUCTIONS)


def _is_own(text: str) -> bool:
    return text.startswith(f"{HEADER}\n")


def _lines(family: Family, text: str) -> Iterator[tuple[int, str, str, str]]:
    """Give (line number, key, value, what stands between them) of every switch in a listing."""
    if not text.strip() or "\x00" in text:
        raise NativeError.of(Code.T407, "the listing is empty or no text")
    if not text.endswith("\n"):
        raise NativeError.of(
            Code.T407, "the listing ends in the middle of a line", hint="it was cut off"
        )
    for number, raw in enumerate(text[:-1].split("\n"), start=1):
        line = clean(raw)
        for key in family.keys:
            match = _REST.fullmatch(line.removeprefix(key)) if line.startswith(key) else None
            if match:
                yield number, key, match["value"], match["sign"]


def _read(family: Family, found: Mapping[str, str], *, own: bool) -> Iterator[tuple[str, Scalar]]:
    for toggle in family.toggles:
        if toggle.key not in found:
            continue
        native = toggle.read(found.get(toggle.key))
        shown = found.get(toggle.key, "")
        if native is not None:
            yield toggle.key, native
        elif own or shown:
            raise NativeError.of(
                Code.T407,
                f"{toggle.key}={shown!r} is a value whose meaning is not known",
                hint=f"known values: {', '.join(value.shown for value in toggle.values)}",
            )
