"""What routers answer, written from the documented formats: one for every parser.

Sources are those of ``targets/*/README.md``. Nothing here was taken from a router.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from compiler.build.registry import installed
from compiler.model.device import Fact
from compiler.model.example import typical
from compiler.model.intent import Intent
from compiler.model.protocol import UDP, Family, PortRange
from compiler.model.target import Target
from compiler.toggles.family import ToggleSettings
from compiler.toggles.script import Rule
from targets.asuswrt.family import START
from tests.targets.linksys.fields import FIELDS


@dataclass(frozen=True)
class Answer:
    """One answer and what it says.

    ``lines``: it has no end of its own, so one that is cut between two lines reads as less, never
    as something else. ``terminal``: it comes through one, with colours, CR LF and a banner.
    """

    name: str
    target: str
    text: str
    says: Mapping[str, Any]
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    lines: bool = False
    terminal: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def member(self) -> Target[Any]:
        return installed().get(self.target)

    def read(self, text: str) -> Mapping[str, Any]:
        """Read a text as an answer of this router, and give what it says as plain data."""
        device = typical(self.name, self.target, self.facts, self.options)
        return plain(self.member.parse(text, device))

    def merged(self, text: str) -> str:
        """Merge settings that say nothing, of which no byte may be seen."""
        device = typical(self.name, self.target, self.facts, self.options)
        return self.member.merge(self.member.settings(Intent("r"), device), text, device)


def plain(settings: Any) -> dict[str, Any]:
    """Give switches by key, and each rule of ours as a key of its own."""
    toggles = settings if isinstance(settings, ToggleSettings) else settings.toggles
    found: dict[str, Any] = dict(toggles.as_dict())
    rules: Iterable[Any] = ()
    for member in ("rules", "paths", "entries"):
        if not isinstance(settings, ToggleSettings) and hasattr(settings, member):
            each = getattr(settings, member)
            rules = each if not callable(each) else rules
    found.update((_words(rule), True) for rule in rules)
    return found


def _words(rule: Any) -> str:
    if isinstance(rule, tuple):
        return " ".join(rule)
    if hasattr(rule, "properties"):
        words = " ".join(f"{key}={value}" for key, value in rule.properties)
        return f"{rule.menu} {words}"
    return str(rule)


_OPEN = {"fw_pt_pptp": "1", "fw_pt_l2tp": "1", "fw_pt_ipsec": "1", "nf_pptp": "1"}
_ASUS = """\
fw_pt_ipsec=1
sshd_authkeys=ssh-ed25519 AAAAC3Nza not a key>ssh-rsa AAAAB3 neither
custom_clientlist=<phone>00:00:5E:00:53:01>0>0>><tv>00:00:5E:00:53:02>0>0>>
vpn_crt_client1_ca=-----BEGIN CERTIFICATE-----
MIIB no certificate / at + all ==
-----END CERTIFICATE-----
wan0_ifname=eth0
fw_pt_pptp=0
fw_pt_sip=2
lan_ifname=br0
fw_pt_l2tp=1
fw_pt_rtsp=1
sw_mode=1
fw_pt_pppoerelay=0
size: 60 bytes (65476 left)
"""
#: The rule that our lines in the script hold.
_RULE = Rule(Family.IPV6, UDP, PortRange(1701, 1701))
_START = START.merge('#!/bin/sh\nlogger -t mine "started: $1"\n', (_RULE,))
_MERLIN = f"""\
fw_pt_ipsec=0
fw_pt_l2tp=
fw_pt_pptp=1
jffs2_scripts=1
nf_pptp=0
@/jffs/scripts/firewall-start
{_START}"""
_DDWRT = """\
wl0_ssid=dd-wrt
pptp_pass=0
rc_firewall=iptables -I FORWARD -p gre -j DROP
iptables -I FORWARD -p esp -j DROP
DD_BOARD=Netgear R7000
ipsec_pass=1
filter=on
l2tp_pass=1
size: 60 bytes (65476 left)
"""
_TOMATO = """\
nf_rtsp=0
nf_h323=1
script_fire=#!/bin/sh
logger done
ipsec_pass=3
nf_pptp=0
ct_hashsize=2048
size: 60 bytes (65476 left)
"""
_CLASSIC = """\
multicast_pass=0
ipsec_pass=0
pptp_pass=1
l2tp_pass=1
filter=on
"""
_JNAP = {"result": "OK", "output": {**FIELDS, "blockPPTP": True}}
_LUCI = {
    "success": True,
    "data": {
        **dict.fromkeys(("ftp", "tftp", "h323", "rtsp", "sip", "l2tp", "ipsec"), "on"),
        "pptp": "off",
    },
}
_CGI = {
    "success": True,
    "data": {
        **dict.fromkeys(("pptpAlg", "ipSecAlg", "ftpAlg", "tftpAlg", "h323Alg"), "1"),
        **dict.fromkeys(("l2tpAlg", "rtspAlg", "sipAlg"), "0"),
        "stack": "0,0,0,0,0,0",
    },
    "operation": "go",
    "oid": "DEV2_ALG_CFG",
}
_OMADA = {
    "errorCode": 0,
    "msg": "Success.",
    "result": {
        **dict.fromkeys(("ftp", "h323", "pptp"), True),
        **dict.fromkeys(("ipSec", "sip"), False),
        "ftpPorts": [21],
        "sipPorts": [5060],
        "supportAlg": True,
    },
}
_HNAP = """\
<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/">
<soap:Body>
<GetFirewallSettingsResponse xmlns="http://purenetworks.com/HNAP1/">
<GetFirewallSettingsResult>OK</GetFirewallSettingsResult>
<SPIIPv4>true</SPIIPv4>
<AntiSpoof>false</AntiSpoof>
<ALGPPTP>false</ALGPPTP>
<ALGIPSec>true</ALGIPSec>
<ALGRTSP>true</ALGRTSP>
<ALGSIP>true</ALGSIP>
</GetFirewallSettingsResponse>
</soap:Body>
</soap:Envelope>
"""
_EXPORT = """\
# 2025-09-16 10:12:09 by RouterOS 7.19.3
# software id = ABCD-1234
#
# model = RB5009UG+S+
/interface bridge
add admin-mac=00:00:5E:00:53:10 auto-mac=no comment=defconf name=bridge
/interface list
add comment=defconf name=WAN
add comment="passthru:zone lan" name=passthru-lan
/ip firewall filter
add action=jump chain=forward comment=passthru:jump jump-target=passthru
add action=drop chain=passthru comment="passthru:l2tp block" dst-port=1701 \\
    in-interface-list=passthru-lan protocol=udp
add action=accept chain=forward comment="defconf: accept all that is left; it's \\
    fine" connection-state=established
/ip firewall service-port
set ftp disabled=yes
set pptp disabled=yes
/system identity
set name="say \\"hello\\""
"""
_EXPORTED = {
    "/interface list comment=passthru:zone lan name=passthru-lan": True,
    "/ip firewall filter action=drop chain=passthru comment=passthru:l2tp block dst-port=1701"
    " in-interface-list=passthru-lan protocol=udp": True,
    "/ip firewall filter action=jump chain=forward comment=passthru:jump jump-target=passthru": (
        True
    ),
    "pptp": "off",
}
_EDGEOS = """\
set firewall name WAN_OUT default-action accept
set firewall name WAN_OUT rule 1 action drop
set firewall name WAN_OUT rule 1 description 'passthru:l2tp block'
set firewall name WAN_OUT rule 1 destination port 1701
set firewall name WAN_OUT rule 1 protocol udp
set firewall name WAN_OUT rule 20 description "don't touch"
set interfaces ethernet eth0 firewall out name WAN_OUT
set system conntrack modules pptp disable
set system host-name EdgeRouter-X
"""
_EDGEOS_TREE = """\
firewall {
    name WAN_OUT {
        default-action accept
        rule 1 {
            action drop
            description "passthru:l2tp block"
            destination {
                port 1701
            }
            protocol udp
        }
        rule 20 {
            description "don't touch"
        }
    }
}
system {
    conntrack {
        modules {
            pptp {
                disable
            }
        }
    }
    host-name EdgeRouter-X
}
/* Warning: Do not remove the following line. */
/* === vyatta-config-version: "config-management@1:conntrack@1" === */
/* Release version: v2.0.9.5371034.210122.1012 */
"""
_SHARED = "firewall name WAN_OUT rule 1"
_EDGEOS_SAYS = {
    f"{_SHARED} action drop": True,
    f"{_SHARED} description passthru:l2tp block": True,
    f"{_SHARED} destination port 1701": True,
    f"{_SHARED} protocol udp": True,
    "pptp": "off",
}
_VYOS = """\
set firewall ipv4 name PASSTHRU default-action 'return'
set firewall ipv4 name PASSTHRU description 'passthru:chain'
set firewall ipv4 name PASSTHRU rule 1 action 'drop'
set firewall ipv4 name PASSTHRU rule 1 protocol 'gre'
set interfaces ethernet eth0 description 'it'\\''s the way out'
set nat source rule 100 translation address 'masquerade'
set system conntrack modules pptp
set system host-name 'vyos'
"""
_VYOS_TREE = """\
firewall {
    ipv4 {
        name PASSTHRU {
            default-action "return"
            description "passthru:chain"
            rule 1 {
                action "drop"
                protocol "gre"
            }
        }
    }
}
interfaces {
    ethernet eth0 {
        description "it's the way out"
    }
    loopback lo {
    }
}
system {
    conntrack {
        modules {
            pptp
        }
    }
    host-name "vyos"
}


// Warning: Do not remove the following line.
// vyos-config-version: "bgp@5:conntrack@5:firewall@17"
// Release version: 1.4.1
"""
_CHAIN = "firewall ipv4 name PASSTHRU"
_VYOS_SAYS = {
    f"{_CHAIN} default-action return": True,
    f"{_CHAIN} description passthru:chain": True,
    f"{_CHAIN} rule 1 action drop": True,
    f"{_CHAIN} rule 1 protocol gre": True,
    "pptp": "on",
}

#: `config show` of DNI firmware; wan_enable_ipsec was never set.
_NETGEAR = """\
GUI_Region=Russian
wan_ifname=brwan
wan_proto=pppoe
wan_endis_dmz=0
wan_enable_l2tp=0
wan_enable_pptp=1
forwarding1=My&harr;VPN UDP 500 500 500 500 192.168.1.9 0
block_KeyWord_DomainList=vpn=0 wan_enable_pptp
http_passwd=do not print me
size: 60 bytes (65476 left)
"""

ANSWERS = (
    Answer(
        "netgear-voxel",
        "netgear",
        _NETGEAR,
        {"wan_enable_ipsec": "1", "wan_enable_l2tp": "0", "wan_enable_pptp": "1"},
        {"firmware": "voxel"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "asuswrt-show",
        "asuswrt",
        _ASUS,
        {**_OPEN, "fw_pt_pptp": "0"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "asuswrt-merlin",
        "asuswrt",
        _MERLIN,
        {**_OPEN, "fw_pt_ipsec": "0", "nf_pptp": "0", str(_RULE): True},
        {"merlin": True},
        {"scripts": True},
        lines=True,
        terminal=True,
    ),
    Answer(
        "ddwrt",
        "ddwrt",
        _DDWRT,
        {"filter": "on", "ipsec_pass": "1", "l2tp_pass": "1", "pptp_pass": "0"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "freshtomato",
        "freshtomato",
        _TOMATO,
        {"ipsec_pass": "3", "nf_pptp": "0"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "linksys-classic",
        "linksys",
        _CLASSIC,
        {"filter": "on", "ipsec_pass": "0", "l2tp_pass": "1", "pptp_pass": "1"},
        {"flavour": "classic"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "linksys-jnap",
        "linksys",
        json.dumps(_JNAP, indent=1),
        {"blockIPSec": False, "blockL2TP": False, "blockPPTP": True},
    ),
    Answer(
        "tplink-luci",
        "tplink",
        json.dumps(_LUCI, indent=1),
        {"ipsec": "on", "l2tp": "on", "pptp": "off"},
    ),
    Answer(
        "tplink-cgi",
        "tplink",
        json.dumps(_CGI, indent=1),
        {"ipSecAlg": "1", "l2tpAlg": "0", "pptpAlg": "1"},
        {"flavour": "cgi"},
    ),
    Answer(
        "tplink-omada",
        "tplink",
        json.dumps(_OMADA, indent=1),
        {"ipSec": False, "pptp": True},
        {"flavour": "omada"},
    ),
    Answer("dlink-hnap", "dlink", _HNAP, {"ALGIPSec": "true", "ALGPPTP": "false"}),
    Answer(
        "dlink-rgdb",
        "dlink",
        "/nat/passthrough/pptp 1\n/nat/passthrough/l2tp 0\n/nat/passthrough/ipsec=1\n",
        {
            "/nat/passthrough/ipsec": "1",
            "/nat/passthrough/l2tp": "0",
            "/nat/passthrough/pptp": "1",
        },
        {"flavour": "rgdb"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "dlink-xmldb",
        "dlink",
        "/device/passthrough/pptp=0\n/device/passthrough/ipsec=1\n",
        {"/device/passthrough/ipsec": "1", "/device/passthrough/pptp": "0"},
        {"flavour": "xmldb"},
        lines=True,
        terminal=True,
    ),
    Answer("routeros", "routeros", _EXPORT, _EXPORTED, lines=True, terminal=True),
    Answer(
        "edgeos-commands",
        "edgeos",
        _EDGEOS,
        _EDGEOS_SAYS,
        options={"ruleset": "WAN_OUT"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "edgeos-tree",
        "edgeos",
        _EDGEOS_TREE,
        _EDGEOS_SAYS,
        options={"ruleset": "WAN_OUT"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "vyos-commands",
        "vyos",
        _VYOS,
        _VYOS_SAYS,
        {"release": "1.4"},
        lines=True,
        terminal=True,
    ),
    Answer(
        "vyos-tree",
        "vyos",
        _VYOS_TREE,
        _VYOS_SAYS,
        {"release": "1.4"},
        lines=True,
        terminal=True,
    ),
)
