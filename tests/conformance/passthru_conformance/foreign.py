"""What routers print: rough, with things of others in it that merging must leave alone."""

from __future__ import annotations

import json

DDWRT = """\
DD_BOARD=Linksys WRT1900ACS
wan_proto=dhcp
sshd_enable=1
filter=off
block_multicast=1
pptp_pass=0
l2tp_pass=1
ipsec_pass=1
size: 60 bytes (65476 left)
@rc_firewall
# own rules
iptables -I INPUT -p icmp -j DROP; exit 0
no newline at the end"""
TOMATO = """\
os_version=2024.1
nf_pptp=0
nf_sip=1
ipsec_pass=3
ct_hashsize=2048
@script_fire
#!/bin/sh
logger hello
"""
HNAP = """<?xml version='1.0' encoding='utf-8'?>\r
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<GetFirewallSettingsResponse xmlns="http://purenetworks.com/HNAP1/">
<GetFirewallSettingsResult>OK</GetFirewallSettingsResult><!-- a > b -->
\t<SPIIPv4>true</SPIIPv4><AntiSpoof>false</AntiSpoof>
\t<ALGPPTP>true</ALGPPTP> <ALGIPSec > false\n</ALGIPSec><ALGRTSP>true</ALGRTSP>
<ALGSIP>true</ALGSIP><Other/>
</GetFirewallSettingsResponse></soap:Body></soap:Envelope>
"""
RGDB = "# rgdb\n/nat/passthrough/pptp=1\n/nat/passthrough/ipsec 0\n/nat/passthrough/l2tp=1\n"
XMLDB = "/device/passthrough/pptp=1\r\n/device/passthrough/ipsec=0\r\n"
CLASSIC = "wan_proto=dhcp\nfilter=on\npptp_pass=1\nl2tp_pass=0\nipsec_pass=1\n"
OMADA = json.dumps(
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
EXPORT = """\
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
EDGEOS = """\
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
VYOS14 = """\
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
VYOS13 = """\
set firewall name OUT default-action 'accept'
set firewall name OUT rule 5000 action 'accept'
set interfaces ethernet eth0 firewall out name 'OUT'
set system conntrack modules pptp
"""
