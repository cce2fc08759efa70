"""The ways to log in, by the names that procedures use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from compiler.device.http.cgi import Cgi
from compiler.device.http.cgiseal import Gcm
from compiler.device.http.client import Client
from compiler.device.http.hnap import Hnap
from compiler.device.http.jnap import Jnap
from compiler.device.http.login import Login
from compiler.device.http.luci import Luci
from compiler.device.http.omada import Omada

LOGINS: Mapping[str, Callable[[Client], Login]] = MappingProxyType(
    {
        "luci": Luci,
        "cgi": Cgi,
        "cgi-gcm": partial(Cgi, mode=Gcm),
        "omada": Omada,
        "jnap": Jnap,
        "hnap": Hnap,
    }
)
