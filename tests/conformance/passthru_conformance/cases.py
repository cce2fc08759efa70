"""Kinds of routers that a target is tried on."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from compiler.model.device import Fact


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
    """Give the cases of a built-in target; a plain router for any other."""
    return BUILT_IN.get(target) or (Case(target, target),)


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
size: 65214 bytes (65858 left)
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
_DDWRT = """\
DD_BOARD=Linksys WRT1900ACS
wan_proto=dhcp
sshd_enable=1
filter=off
block_multicast=1
pptp_pass=0
l2tp_pass=1
ipsec_pass=1
size: 31415 bytes (34121 left)
@rc_firewall
# own rules
iptables -I INPUT -p icmp -j DROP; exit 0
no newline at the end"""
_TOMATO = """\
os_version=2024.1
nf_pptp=0
nf_sip=1
ipsec_pass=3
ct_hashsize=2048
@script_fire
#!/bin/sh
logger hello
"""
_HNAP = """<?xml version='1.0' encoding='utf-8'?>\r
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<GetFirewallSettingsResponse xmlns="http://purenetworks.com/HNAP1/">
<GetFirewallSettingsResult>OK</GetFirewallSettingsResult><!-- a > b -->
\t<SPIIPv4>true</SPIIPv4><AntiSpoof>false</AntiSpoof>
\t<ALGPPTP>true</ALGPPTP> <ALGIPSec > false\n</ALGIPSec><ALGRTSP>true</ALGRTSP>
<ALGSIP>true</ALGSIP><Other/>
</GetFirewallSettingsResponse></soap:Body></soap:Envelope>
"""
_RGDB = "# rgdb\n/nat/passthrough/pptp=1\n/nat/passthrough/ipsec 0\n/nat/passthrough/l2tp=1\n"
_XMLDB = "/device/passthrough/pptp=1\r\n/device/passthrough/ipsec=0\r\n"
_CLASSIC = "wan_proto=dhcp\nfilter=on\npptp_pass=1\nl2tp_pass=0\nipsec_pass=1\n"
_OMADA = json.dumps(
    {
        "errorCode": 0,
        "msg": "Success.",
        "result": {
            "ftp": True,
            "ftpPorts": [21],
            "h323": True,
            "pptp": True,
            "ipSec": False,
            "sip": False,
            "sipPorts": [5060, 5061],
            "sipTimeout": {"on": True},
            "newer\u00e9": None,
            "supportAlg": True,
            "existWan": 1,
            "resource": 0,
        },
    }
)
_EDGEOS = """\
set firewall all-ping enable
set firewall name WAN_IN default-action drop
set firewall name WAN_IN description 'WAN to internal'
set firewall name WAN_IN rule 5010 action accept
set firewall name WAN_IN rule 5010 description 'Allow established/related'
set firewall name WAN_IN rule 5010 state established enable
set firewall name WAN_OUT default-action accept
set firewall name WAN_OUT rule 5020 action drop
set firewall name WAN_OUT rule 5020 description "don't $(talk)"
set interfaces ethernet eth0 firewall in name WAN_IN
set interfaces ethernet eth0 firewall out name WAN_OUT
set service nat rule 5010 outbound-interface eth0
set service nat rule 5010 type masquerade
set system conntrack modules ftp disable
  set system conntrack modules pptp disable
set system host-name EdgeRouter
"""
_VYOS14 = """\
set firewall global-options state-policy established action 'accept'
set firewall group network-group LAN network '192.168.1.0/24'
set firewall ipv4 forward filter default-action 'accept'
set firewall ipv4 forward filter rule 100 action 'drop'
set firewall ipv4 forward filter rule 100 description 'not ours: passthru:'
set firewall ipv4 forward filter rule 100 protocol 'gre'
set interfaces ethernet eth0 address 'dhcp'
set nat source rule 100 outbound-interface name 'eth0'
set nat source rule 100 translation address 'masquerade'
set system conntrack modules ftp
set system conntrack modules pptp
"""
_VYOS13 = """\
set firewall name OUT default-action 'accept'
set firewall name OUT rule 5000 action 'accept'
set interfaces ethernet eth0 firewall out name 'OUT'
set system conntrack modules pptp
"""
_EXPORT = """\
# 2025-09-16 10:12:09 by RouterOS 7.19.3
# software id = ABCD-1234
#
/interface bridge
add name=bridge
/interface list
add comment=defconf name=WAN
add comment=defconf name=LAN
/interface wifi security
set [ find default=yes ] disabled=no passphrase="a \\"quoted\\" \\24{x} \\\\"
/ip firewall address-list
add address=192.0.2.0/24 comment="say \\"passthru:\\"" list=bogons
/ip firewall filter
add action=accept chain=input comment=\\
    "defconf: accept established,related,untracked" connection-state=\\
    established,related,untracked
add action=fasttrack-connection chain=forward comment="defconf: fasttrack" \\
    connection-state=established,related hw-offload=yes
add action=drop chain=forward comment=\\
    "defconf: drop all from WAN not DSTNATed; it's \\
    the last" connection-nat-state=!dstnat connection-state=new \\
    in-interface-list=WAN
/ip firewall nat
add action=masquerade chain=srcnat comment="defconf: masquerade" \\
    ipsec-policy=out,none out-interface-list=WAN
/ip firewall service-port
set ftp disabled=yes
set pptp disabled=yes
/ip service
set www disabled=yes
/system script
add dont-require-permissions=no name=x owner=admin policy=read source="{\\r\\
    \\n:put \\"hello\\"; /ip firewall filter print\\r\\
    \\n}"
"""
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
        Case("tplink-omada", "tplink", {"flavour": "omada"}, foreign=(_OMADA,)),
        Case("tplink-omada-seen", "tplink", {"flavour": "omada"}, {"observed": _OMADA}, (_OMADA,)),
    ),
    "linksys": (
        Case("linksys", "linksys", foreign=(_JNAP,)),
        Case("linksys-observed", "linksys", options={"observed": _JNAP}, foreign=(_JNAP,)),
        Case("linksys-classic", "linksys", {"flavour": "classic"}, foreign=(_CLASSIC,)),
    ),
    "ddwrt": (
        Case("ddwrt", "ddwrt", {"kernel": "3.18.1"}, foreign=(_DDWRT,)),
        Case("ddwrt-scripts", "ddwrt", {"ipv6": True}, {"scripts": True}, (_DDWRT,)),
    ),
    "dlink": (
        Case("dlink-hnap", "dlink", foreign=(_HNAP,)),
        Case("dlink-hnap-observed", "dlink", options={"observed": _HNAP}, foreign=(_HNAP,)),
        Case("dlink-rgdb", "dlink", {"flavour": "rgdb"}, foreign=(_RGDB,)),
        Case("dlink-xmldb", "dlink", {"flavour": "xmldb"}, foreign=(_XMLDB,)),
    ),
    "freshtomato": (
        Case("freshtomato", "freshtomato", foreign=(_TOMATO,)),
        Case("freshtomato-scripts", "freshtomato", {"ipv6": True}, {"scripts": True}, (_TOMATO,)),
    ),
    "edgeos": (
        Case("edgeos", "edgeos", {"other_rulesets": False}, _RULESETS, (_EDGEOS,)),
        Case(
            "edgeos-attach",
            "edgeos",
            options={"attach": ["interfaces ethernet eth7"], "nat_rule_base": 4000},
            foreign=(_EDGEOS,),
        ),
    ),
    "vyos": (
        Case("vyos-1.4", "vyos", {"release": "1.4.1"}, foreign=(_VYOS14,)),
        Case("vyos-late", "vyos", {"release": "1.5"}, {"rule_base": 50}, (_VYOS14,)),
        Case(
            "vyos-1.3",
            "vyos",
            {"release": "1.3.8"},
            {"ruleset": "OUT", "ruleset6": "OUT6"},
            (_VYOS13,),
        ),
    ),
    "routeros": (
        Case("routeros", "routeros", foreign=(_EXPORT, _EXPORT.replace("\n", "\r\n"))),
        Case("routeros-6", "routeros", {"fasttrack": False, "ipv6": False}, foreign=(_EXPORT,)),
    ),
}
