"""Kinds of routers that a target is tried on."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from compiler.build.registry import installed
from compiler.model.device import Fact

from . import foreign


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of router: what the inventory says of it, and what it may hold already.

    - ``facts`` and ``options`` as in the inventory; zones are drawn at random.
    - ``foreign``: native texts without anything of ours in which every setting that the target
      may manage is written out. Putting a policy in and the former values back must give such
      a text again, byte for byte.
    - ``nft_table``: the native text is for ``nft -f`` and makes this table (``inet passthru``).
    """

    name: str
    target: str
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    foreign: tuple[str, ...] = ()
    nft_table: str = ""

    def __str__(self) -> str:
        return self.name


def cases_of(target: str) -> tuple[Case, ...]:
    """Give the typical routers that a target names, and for a built-in one what is added here."""
    own = BUILT_IN.get(target, ())
    known = [(dict(case.facts), dict(case.options)) for case in own]
    typical = [
        Case(f"typical-{each.name}", target, each.facts, each.options)
        for each in installed().get(target).examples()
        if (dict(each.facts), dict(each.options)) not in known
    ]
    return (*own, *typical)


def imported(where: str) -> Iterable[Case]:
    """Import a third party's cases from ``MODULE:NAME``."""
    module, _, name = where.partition(":")
    cases: Iterable[Case] = getattr(importlib.import_module(module), name)
    return cases


_FIREWALL = """\
config defaults
\toption syn_flood\t'1'
\toption input 'REJECT'

config zone
\toption name "lan"
\tlist network 'lan'   # the cable

config zone 'outer'
\toption name wan
\toption masq 1

config rule
\toption name 'Allow-Ping from $(id)'
\toption target ACCEPT
\toption src wan

  config  redirect  web
option dest_ip '192.168.1.9'
"""
_NVRAM = """\
productid=RT-AC68U
wan_desc=two
lines
fw_pt_pptp=0
fw_pt_l2tp=1
fw_pt_ipsec=1
nf_pptp=1
jffs2_scripts=1
x=<a>b>$(id)
size: 60 bytes (65476 left)
"""
_SCRIPTED = f"{_NVRAM}@/jffs/scripts/firewall-start\n#!/bin/sh\nlogger hello\nexit 0\n"
_JNAP = """{"result":"OK","output":{"isIPv4FirewallEnabled":true, "isIPv6FirewallEnabled":true,
"blockMulticast":false,"blockNATRedirection":false,"blockIDENT":true,\t"blockAnonymousRequests":true,
"blockIPSec" : true,"blockPPTP":false,"blockL2TP":false, "new\\u00e9": {"blockPPTP": 7}}}
"""
_LUCI = json.dumps(
    {
        "success": True,
        "data": dict.fromkeys(
            ("ftp", "tftp", "h323", "rtsp", "sip", "pptp", "l2tp", "ipsec"), "on"
        ),
    }
)
_CGI_FIELDS: dict[str, Any] = dict.fromkeys(
    ("pptpAlg", "l2tpAlg", "ipSecAlg", "ftpAlg", "tftpAlg", "h323Alg"), "1"
)
_CGI = json.dumps(
    {
        "data": {**_CGI_FIELDS, "rtspAlg": "0", "sipAlg": 0, "stack": "0,0,0,0,0,0"},
        "operation": "go",
        "oid": "DEV2_ALG_CFG",
        "success": True,
    },
    indent=1,
)
_RULESETS: dict[str, Fact] = {
    "ruleset": "WAN_OUT",
    "ruleset6": "WAN6_OUT",
    "ruleset_in": "WAN_IN",
    "ruleset_in6": "WAN6_IN",
}
_TABLE = "inet passthru"
_MODULES: dict[str, Fact] = {"modules": ["nf_conntrack_pptp", "nf_nat_pptp"]}

BUILT_IN: Mapping[str, tuple[Case, ...]] = {
    "linux": (
        Case("linux", "linux", nft_table=_TABLE),
        Case("linux-strict", "linux", options={"forward": "drop"}, nft_table=_TABLE),
        Case("linux-overlay", "linux", options={"mode": "overlay"}, nft_table=_TABLE),
    ),
    "openwrt": (
        Case("openwrt-24.10", "openwrt", {"release": "24.10", **_MODULES}, foreign=(_FIREWALL,)),
        Case("openwrt-22.03", "openwrt", {"release": "22.03", **_MODULES}, foreign=(_FIREWALL,)),
        Case("openwrt-19.07", "openwrt", {"release": "19.07"}, foreign=(_FIREWALL,)),
    ),
    "asuswrt": (
        Case("asuswrt", "asuswrt", {"kernel": "4.1.27"}, foreign=(_NVRAM, _SCRIPTED)),
        Case("asuswrt-observed", "asuswrt", options={"observed": _NVRAM}, foreign=(_NVRAM,)),
        Case("merlin", "asuswrt", {"merlin": True}, {"scripts": True}, (_SCRIPTED,)),
    ),
    "tplink": (
        Case("tplink-luci", "tplink", foreign=(_LUCI,)),
        Case("tplink-cgi", "tplink", {"flavour": "cgi"}, {"observed": _CGI}, (_CGI,)),
        Case("tplink-omada", "tplink", {"flavour": "omada"}, foreign=(foreign.OMADA,)),
        Case(
            "tplink-omada-seen",
            "tplink",
            {"flavour": "omada"},
            {"observed": foreign.OMADA},
            (foreign.OMADA,),
        ),
    ),
    "linksys": (
        Case("linksys", "linksys", foreign=(_JNAP,)),
        Case("linksys-observed", "linksys", options={"observed": _JNAP}, foreign=(_JNAP,)),
        Case("linksys-classic", "linksys", {"flavour": "classic"}, foreign=(foreign.CLASSIC,)),
    ),
    "ddwrt": (
        Case("ddwrt", "ddwrt", {"kernel": "3.18.1"}, foreign=(foreign.DDWRT,)),
        Case("ddwrt-scripts", "ddwrt", {"ipv6": True}, {"scripts": True}, (foreign.DDWRT,)),
    ),
    "dlink": (
        Case("dlink-hnap", "dlink", foreign=(foreign.HNAP,)),
        Case(
            "dlink-hnap-observed",
            "dlink",
            options={"observed": foreign.HNAP},
            foreign=(foreign.HNAP,),
        ),
        Case("dlink-rgdb", "dlink", {"flavour": "rgdb"}, foreign=(foreign.RGDB,)),
        Case("dlink-xmldb", "dlink", {"flavour": "xmldb"}, foreign=(foreign.XMLDB,)),
    ),
    "freshtomato": (
        Case("freshtomato", "freshtomato", foreign=(foreign.TOMATO,)),
        Case(
            "freshtomato-scripts",
            "freshtomato",
            {"ipv6": True},
            {"scripts": True},
            (foreign.TOMATO,),
        ),
    ),
    "edgeos": (
        Case("edgeos", "edgeos", {"other_rulesets": False}, _RULESETS, (foreign.EDGEOS,)),
        Case(
            "edgeos-attach",
            "edgeos",
            options={"attach": ["interfaces ethernet eth7"], "nat_rule_base": 4000},
            foreign=(foreign.EDGEOS,),
        ),
    ),
    "vyos": (
        Case("vyos-1.4", "vyos", {"release": "1.4.1"}, foreign=(foreign.VYOS14,)),
        Case("vyos-late", "vyos", {"release": "1.5"}, {"rule_base": 50}, (foreign.VYOS14,)),
        Case(
            "vyos-1.3",
            "vyos",
            {"release": "1.3.8"},
            {"ruleset": "OUT", "ruleset6": "OUT6"},
            (foreign.VYOS13,),
        ),
    ),
    "routeros": (
        Case(
            "routeros", "routeros", foreign=(foreign.EXPORT, foreign.EXPORT.replace("\n", "\r\n"))
        ),
        Case(
            "routeros-6", "routeros", {"fasttrack": False, "ipv6": False}, foreign=(foreign.EXPORT,)
        ),
    ),
}
