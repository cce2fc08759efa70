"""What routers of the switch families print: rough, with things of others in it."""

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
size: 31415 bytes (34121 left)
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
