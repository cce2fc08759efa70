"""An export of somebody else's router, as MikroTik prints it."""

from __future__ import annotations

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
