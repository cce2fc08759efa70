"""The object of Linksys' JNAP, as a router comes: see targets/linksys/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

FIELDS: Mapping[str, bool] = MappingProxyType(
    {
        "isIPv4FirewallEnabled": True,
        "isIPv6FirewallEnabled": True,
        "blockMulticast": False,
        "blockNATRedirection": False,
        "blockIDENT": True,
        "blockAnonymousRequests": True,
        "blockIPSec": False,
        "blockPPTP": False,
        "blockL2TP": False,
    }
)
