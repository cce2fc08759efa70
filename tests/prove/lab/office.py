"""The office layout, in words that the tests use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from compiler.prove.lab.layout import OFFICE

ROUTER_WAN: Mapping[str, str] = MappingProxyType(
    {wan.interface: str(wan.ipv4) for wan in OFFICE.wans}
)
VIA_WAN2 = OFFICE.wans[1].tos
