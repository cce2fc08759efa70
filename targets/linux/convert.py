"""Let nft itself turn its own language into JSON, where that can be done without touching rules.

``nft -c -j`` lists nothing, so the text is loaded into a network namespace that lives as long as
the command; a user namespace lets ordinary users do that. The interfaces that the text names are
made there too, for ``iif eth0`` is refused where there is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from compiler.errors import NativeError
from compiler.model.finding import Code, Place

FILE = "nft ruleset"
_HINT = "give what `nft -j list ruleset` prints on the router"
#: nft takes an include wherever a statement may begin.
_INCLUDE = re.compile(r"(?:^|[;{}])\s*include\b", re.MULTILINE)
_NAMES = re.compile(
    r"(?:\b[io]if(?:name)?\b|\bdevices?\b|\bdefine\s+\w+\s*=|\b(?:vmap|set)\b|\belements\s*=)([^;\n]*)"
)
_NAME = re.compile(r'"?([A-Za-z][A-Za-z0-9_.@-]{0,14})"?')
_AT = re.compile(r"/dev/stdin:(\d+):(\d+)[-\d]*: Error: ([^\n]*)")
_TOOLS = ("unshare", "nft", "ip", "sh")
#: nft lies where ordinary users' PATH does not look.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_SCRIPT = """
for kind in dummy bridge; do
	printf "link add dev %s type $kind\\n" "$@" | ip -force -batch - >/dev/null 2>&1
done
nft -f /dev/stdin && nft -j list ruleset
"""
_SECONDS = 60


def to_json(text: str) -> str:
    """Give the listing of a ruleset that is written in nft's language.

    Raises:
        NativeError: T407, nft refuses the text, or it cannot be asked here.
    """
    include = _INCLUDE.search(text)
    if include:
        line = text.count("\n", 0, include.end()) + 1
        raise refusal("the text includes other files, which are not here", line)
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if missing:
        raise refusal(f"nft's own language is read with nft, and {missing[0]} is not here")
    done = _run(text)
    if done.returncode or not done.stdout:
        raise _refused(done.stderr)
    return done.stdout


def _run(text: str) -> subprocess.CompletedProcess[str]:
    inside = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    command = ["unshare", *inside, "sh", "-c", _SCRIPT, "sh", *_interfaces(text)]
    try:
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            errors="surrogateescape",
            env={"PATH": _PATH, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise refusal("nft does not come to an end with this text") from None


def _interfaces(text: str) -> list[str]:
    """Give every word that may be the name of an interface; too many do no harm."""
    words = (word for part in _NAMES.findall(text) for word in _NAME.findall(part))
    return sorted(set(words))[:500]


def _refused(said: str) -> NativeError:
    found = _AT.search(said)
    if found:
        return refusal(f"nft refuses it: {found[3][:200]}", int(found[1]), int(found[2]))
    if "unshare" in said or "Operation not permitted" in said:
        return refusal("nft's own language is read in a namespace, and none can be made here")
    first = next((line for line in said.splitlines() if line.strip()), "it says nothing")
    return refusal(f"nft refuses it: {first[:200]}")


def refusal(message: str, line: int = 0, column: int = 0) -> NativeError:
    """Give the error about the text."""
    place = Place(FILE, line, column)
    return NativeError(NativeError.of(Code.T407, message, place, _HINT).findings)
