r"""The nvram form: lines of ``key=value``, as ``nvram show`` prints them and as we write them.

What a router prints is rough: CR LF from a terminal, colour codes, a banner before the first
key, values over several lines (a line without ``key=`` belongs to the value before it), and a
line ``size: 65214 bytes (65858 left)`` that belongs to standard error. All of that is read; a text
that is empty, cut off in a line, or speaks of none of the family's keys is refused.

A key that a listing does not hold is unset only where the listing is known to be whole: it ends in
the size line and has about that size. Elsewhere somebody may have filtered or cut it, and the key
is not known. The read step of our own prints every key, with nothing behind the ``=`` of one that
is unset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from compiler.errors import NativeError
from compiler.model.finding import Code
from compiler.model.step import Step, StepName
from compiler.model.target import Bundle, File, Guard, Procedure
from compiler.toggles.family import Family, Scalar
from compiler.toggles.render import shell_text

NATIVE = "nvram.txt"
#: The first line of our own file: in it an absent key is not managed.
HEADER = "# passthru: nvram keys that are managed; keys that are absent here are left alone"

#: What a push sets is committed when it is confirmed: until then a reboot brings back the old keys.
TRIAL = Guard("/tmp/passthru", "/tmp/passthru")  # noqa: S108 - the router's, which is root's

_FORGET = '[ -n "${PASSTHRU_KEEP-}" ] || rm -f previous.txt'
_COMMIT = f"{_FORGET}\n" + '[ -z "${PASSTHRU_KEEP-}" ] || nvram commit'

_LINE = re.compile(r"([A-Za-z0-9_.:-]+)=(.*)", re.DOTALL)
#: Escape sequences of terminals: colours and cursor, titles, character sets; and a byte order mark.
_ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|\ufeff"
)
_SIZE = re.compile(r"size: (\d+) bytes \(\d+ left\)")
#: What `nvram show` counts besides the lines: the header of the store.
_HEADER_BYTES = 20


def is_own(text: str) -> bool:
    """Tell whether a text is our own file."""
    return text.startswith(HEADER + "\n")


def write(values: Mapping[str, str]) -> str:
    """Print our own file."""
    return "".join([f"{HEADER}\n", *(f"{key}={values[key]}\n" for key in sorted(values))])


def read(text: str, keys: tuple[str, ...]) -> dict[str, str]:
    """Read the lines of a listing; ``keys`` are those that must be clear beyond doubt.

    Raises:
        NativeError: the text is empty, cut off, or leaves the value of such a key open.
    """
    if not text.strip():
        raise NativeError.of(
            Code.T407, "the nvram listing is empty", hint="save the output of `nvram show` again"
        )
    if "\x00" in text:
        raise NativeError.of(Code.T407, "the nvram listing holds NUL bytes", hint="it is no text")
    if not text.endswith("\n"):
        raise NativeError.of(
            Code.T407,
            "the nvram listing ends in the middle of a line",
            hint="it was cut off; save it again",
        )
    found: dict[str, str] = {}
    current = ""
    for number, raw in enumerate(text[:-1].split("\n"), start=1):
        line = clean(raw)
        match = _LINE.fullmatch(line)
        if match:
            current = match[1]
            if current in keys:
                _must_be_clear(found, current, match[2], number)
            found[current] = match[2]
        elif current and line.strip() and not _SIZE.fullmatch(line.strip()):
            if current in keys:
                raise NativeError.of(
                    Code.T407,
                    f"line {number} of the nvram listing follows {current}= and is no key",
                    hint="the value of a switch has one line; remove prompts from the listing",
                )
            found[current] += f"\n{line}"
    return found


def clean(line: str) -> str:
    """Take the codes and the CRs (one, or two) of a terminal from a line."""
    return _ANSI.sub("", line).rstrip("\r")


def _must_be_clear(found: Mapping[str, str], key: str, value: str, number: int) -> None:
    if not (value.isascii() and value.isprintable()):
        raise NativeError.of(
            Code.T407,
            f"line {number} of the nvram listing holds {key}={value!r}, which is no value",
            hint="a terminal or an editor has changed the line; save it again",
        )
    if found.get(key, value) != value:
        raise NativeError.of(
            Code.T407,
            f"line {number} of the nvram listing gives {key} a second, other value",
            hint="one of the two may be part of another key's value; use `nvram get`",
        )


def _size(text: str) -> int | None:
    """Give the number of bytes that the size line at the end of a listing names."""
    match = _SIZE.fullmatch(clean(text.rstrip().rpartition("\n")[2]).strip())
    return int(match[1]) if match else None


def is_whole(text: str) -> bool:
    """Tell whether a listing ends in the size line and is of such a size: a key it lacks is unset.

    What ``nvram show | grep`` leaves may end in that line too, since a terminal shows both streams;
    the lines before it are then far less than it says.
    """
    said = _size(text)
    return said is not None and 2 * (len(text.encode()) + _HEADER_BYTES) >= said


def _must_be_unset(key: str, text: str) -> None:
    """See that a key without a line of its own is not in a line that cannot be read."""
    lines = (clean(raw) for raw in text.split("\n"))
    if any(f"{key}=" in line and not _LINE.fullmatch(line) for line in lines):
        raise NativeError.of(
            Code.T407,
            f"the nvram listing names {key}= only in a line that does not begin with a key",
            hint="remove prompts and indents from the listing, or use `nvram get`",
        )


def put(text: str, values: Mapping[str, str]) -> str:
    """Set keys in a listing: in their lines where they stand, else before the size line."""
    lines = text.split("\n")
    left = dict(values)
    for index, raw in enumerate(lines):
        match = _LINE.fullmatch(clean(raw))
        if match and match[1] in values:
            left.pop(match[1], None)
            if match[2] != values[match[1]]:
                lines[index] = f"{match[1]}={values[match[1]]}" + raw[len(raw.rstrip("\r")) :]
    ending = "\r" if "\r\n" in text else ""
    end = max(n for n, line in enumerate(lines) if line.strip()) if _size(text) is not None else -1
    lines[end:end] = [f"{key}={left[key]}{ending}" for key in sorted(left)]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class NvramForm:
    """Settings in nvram, brought onto the router by a shell script over ssh.

    ``restart`` is the router's own command that makes the keys take effect. ``template`` and
    ``packages`` let a family extend the script, with ``values`` to print in it. ``marks`` are keys
    by which a listing is known to be of this family where every switch is unset.
    """

    restart: str
    facts: str = "uname -r"
    template: str = "toggles/apply.sh.j2"
    packages: tuple[str, ...] = ()
    extra_keys: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    guard: Guard = TRIAL
    options: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {
                "observed": "path of a saved `nvram show` of this router: switches that no "
                "decision touches are then known",
            }
        )
    )

    def parse(self, family: Family, text: str) -> dict[str, Scalar]:
        """Read our own file (absent keys are unmanaged) or a listing.

        A switch is left out where its key is absent from a listing that may not be whole, or
        where nobody knows what unset means.
        """
        if text == HEADER + "\n":
            return {}
        lines = read(text, family.keys)
        own = is_own(text)
        if not own and not any(key in lines for key in (*family.keys, *self.marks)):
            raise NativeError.of(
                Code.T407,
                f"the listing holds none of the keys of {family.name}",
                hint=f"expected one of: {', '.join(family.keys)}",
            )
        values: dict[str, Scalar] = {}
        partial = own or not is_whole(text)
        for toggle in family.toggles:
            if partial and toggle.key not in lines:
                continue
            if toggle.key not in lines:
                _must_be_unset(toggle.key, text)
            native = toggle.read(lines.get(toggle.key))
            shown = lines.get(toggle.key, "")
            if native is None and not own and not shown:
                continue
            if native is None:
                raise NativeError.of(
                    Code.T407,
                    f"{toggle.key}={shown!r} is a value whose meaning is not known",
                    hint=f"known values: {', '.join(value.shown for value in toggle.values)}",
                )
            values[toggle.key] = native
        return values

    def merge(self, family: Family, values: Mapping[str, Scalar], text: str, observed: str) -> str:
        """Set the managed keys in a listing; our own file is ours and is written anew."""
        del observed
        if is_own(text):
            return write(texts(values))
        read(text, family.keys)
        return put(text, texts(values))

    def render(self, family: Family, values: Mapping[str, Scalar], observed: str) -> Bundle:
        """Print ``nvram.txt`` and ``apply.sh``."""
        del observed
        native = File(NATIVE, write(texts(values)).encode())
        return Bundle((File("apply.sh", self.script(family).encode(), 0o755), native), NATIVE)

    def script(self, family: Family) -> str:
        """Print ``apply.sh``."""
        keys = sorted((*family.keys, *self.extra_keys))
        return shell_text(
            self.template,
            self.packages,
            {**self.values, "keys": " ".join(keys), "restart": self.restart},
        )

    def procedure(self, family: Family, values: Mapping[str, Scalar]) -> Procedure:
        """Give the steps; ``apply.sh`` holds what is more than a line."""
        del values
        steps = (
            Step(StepName.FACTS, "asks which firmware and kernel this is", self.facts),
            Step(StepName.READ, "prints the switches, and nothing else", reading(family.keys)),
            Step(
                StepName.CHECK,
                "looks for nvram and checks the script's syntax",
                "command -v nvram >/dev/null && sh -n ./apply.sh",
            ),
            Step(
                StepName.ARM,
                "keeps the present values beside the bundle",
                'keep=${PASSTHRU_KEEP:-.}\nsh ./apply.sh --save >"$keep/previous.txt" || exit 1\n'
                '[ -s "$keep/previous.txt" ] || exit 1\n'
                '[ "$keep" = . ] || cp ./apply.sh "$keep/apply.sh"',
            ),
            Step(
                StepName.APPLY,
                "sets what differs, commits once, restarts the firewall",
                f"sh ./apply.sh ${{PASSTHRU_KEEP:+--trial}} {NATIVE}",
            ),
            Step(
                StepName.VERIFY,
                "reads every managed key back",
                f"sh ./apply.sh --verify {NATIVE}",
            ),
            Step(
                StepName.CONFIRM,
                "commits, and forgets the former values",
                _COMMIT if "nvram commit" not in self.guard.unhook else _FORGET,
            ),
            Step(
                StepName.ROLLBACK,
                "sets the former values again",
                "sh ./apply.sh previous.txt",
            ),
        )
        return Procedure("ssh", steps, self.guard)


def nvram_facts(*keys: str) -> str:
    """Give shell that prints a few keys, the kernel, and whether the PPTP helper is assigned."""
    lines = [f'echo "{key}=$(nvram get {key})"' for key in keys]
    return "\n".join((*lines, 'echo "kernel=$(uname -r)"', _HELPER))


#: Whether connections get the PPTP helper. A kernel assigns a loaded one by itself before Linux 4.7
#: and where the switch says so, else a rule of the table raw must. That table is looked at only
#: where it is in use: listing it would load it.
_HELPER = r"""root=${PASSTHRU_ROOT-}
loaded() {
	[ -d "$root/sys/module/$1" ] || lsmod 2>/dev/null | grep -q "^$1[[:space:]]"
}
switch=$(cat "$root/proc/sys/net/netfilter/nf_conntrack_helper" 2>/dev/null)
release=$(uname -r)
minor=${release#*.}
minor=${minor%%[!0-9]*}
if ! { loaded nf_nat_pptp || loaded ip_nat_pptp; }; then
	helper=absent
elif [ "$switch" = 1 ]; then
	helper=assigned
elif grep -qx raw "$root/proc/net/ip_tables_names" 2>/dev/null &&
	iptables -t raw -S 2>/dev/null | grep -q -e '--helper pptp'; then
	helper=assigned
elif [ "$switch" = 0 ]; then
	helper=idle
elif [ "${release%%.*}" -lt 4 ] || { [ "${release%%.*}" = 4 ] && [ "${minor:-0}" -lt 7 ]; }; then
	helper=assigned
else
	helper=unknown
fi
echo "helper_pptp=$helper"
"""


def reading(keys: tuple[str, ...]) -> str:
    """The read command: never the whole nvram, which holds passwords."""
    return shell_text("toggles/read.sh.j2", (), {"keys": " ".join(sorted(keys))})


def texts(values: Mapping[str, Scalar]) -> dict[str, str]:
    """Give the values as nvram holds them."""
    return {key: value for key, value in values.items() if isinstance(value, str)}
