"""What the web interfaces answer: TP-Link (luci, cgi, Omada), Linksys (JNAP) and D-Link (HNAP).

The log-ins follow public clients of such routers; the objects are those of the targets' README
files. Each keeps ``settings`` as its firmware stores them, and counts ``logins`` and ``writes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from compiler.embedded.sites.cgi import Cgi
from compiler.embedded.sites.hnap import Hnap
from compiler.embedded.sites.interface import Site
from compiler.embedded.sites.jnap import Jnap
from compiler.embedded.sites.luci import Luci
from compiler.embedded.sites.omada import Omada


def site(values: Mapping[str, Any]) -> Site:
    """Make a web interface.

    Raises:
        ValueError: there is none of that kind.
    """
    kinds: dict[str, Callable[[Mapping[str, Any]], Site]] = {
        "tplink": Luci,
        "cgi": Cgi,
        "cgi-gcm": Cgi,
        "omada": Omada,
        "jnap": Jnap,
        "hnap": Hnap,
    }
    if values["kind"] not in kinds:
        raise ValueError(f"there is no kind {values['kind']!r}: {', '.join(kinds)}")
    return kinds[values["kind"]](values)
