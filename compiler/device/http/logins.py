"""The ways to log in, by the names that procedures use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from compiler.device.http.client import Client
from compiler.device.http.hnap import Hnap
from compiler.device.http.jnap import Jnap
from compiler.device.http.login import Login
from compiler.device.http.luci import Luci

LOGINS: Mapping[str, Callable[[Client], Login]] = MappingProxyType(
    {"luci": Luci, "jnap": Jnap, "hnap": Hnap}
)
