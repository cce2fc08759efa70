"""Default firewall configs of OpenWrt, written from the documented format.

Sources: package/network/config/firewall/files/firewall.config (openwrt 19.07, 21.02),
root/etc/config/firewall (firewall4), and
https://openwrt.org/docs/guide-user/firewall/firewall_configuration.
"""

from __future__ import annotations

_DEFAULTS = """\
config defaults
	option syn_flood	1
	option input		ACCEPT
	option output		ACCEPT
	option forward		REJECT
"""
_ZONES = """
config zone
	option name		lan
	list   network		'lan'
	option input		ACCEPT
	option output		ACCEPT
	option forward		ACCEPT

config zone
	option name		wan
	list   network		'wan'
	list   network		'wan6'
	option input		REJECT
	option output		ACCEPT
	option forward		REJECT
	option masq		1
	option mtu_fix		1

config forwarding
	option src		lan
	option dest		wan
"""
_RULES = """
config rule
	option name		Allow-DHCP-Renew
	option src		wan
	option proto		udp
	option dest_port	68
	option target		ACCEPT
	option family		ipv4

config rule
	option name		Allow-Ping
	option src		wan
	option proto		icmp
	option icmp_type	echo-request
	option family		ipv4
	option target		ACCEPT

config rule
	option name		Allow-ICMPv6-Forward
	option src		wan
	option dest		*
	option proto		icmp
	list icmp_type		echo-request
	list icmp_type		echo-reply
	list icmp_type		destination-unreachable
	option limit		1000/sec
	option family		ipv6
	option target		ACCEPT

config rule
	option name		Allow-IPSec-ESP
	option src		wan
	option dest		lan
	option proto		esp
	option target		ACCEPT

config rule
	option name		Allow-ISAKMP
	option src		wan
	option dest		lan
	option dest_port	500
	option proto		udp
	option target		ACCEPT
"""
_TRACEROUTE = """
# allow interoperability with traceroute classic
config rule
	option name		Support-UDP-Traceroute
	option src		wan
	option dest_port	33434:33689
	option proto		udp
	option family		ipv4
	option target		REJECT
	option enabled		false
"""
_USER = """
# include a file with users custom iptables rules
config include
	option path /etc/firewall.user
"""

#: Release -> the text of /etc/config/firewall as it is after installation.
CONFIGS = {
    "19.07": _DEFAULTS + _ZONES + _RULES + _USER,
    "21.02": _DEFAULTS + _ZONES + _RULES + _TRACEROUTE + _USER,
    "22.03": _DEFAULTS + _ZONES + _RULES,
    "23.05": _DEFAULTS.replace("ACCEPT\n\toption output", "REJECT\n\toption output")
    + _ZONES
    + _RULES,
    "24.10": _DEFAULTS.replace("ACCEPT\n\toption output", "REJECT\n\toption output")
    + _ZONES
    + _RULES,
    "25.12": _DEFAULTS.replace("ACCEPT\n\toption output", "REJECT\n\toption output")
    + _ZONES.replace("forward\t\tREJECT", "forward\t\tDROP")
    + _RULES,
}
NETWORK = """
package network

config interface 'loopback'
	option device 'lo'
	option proto 'static'
	option ipaddr '127.0.0.1'
	option netmask '255.0.0.0'

config device
	option name 'br-lan'
	option type 'bridge'
	list ports 'lan1'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '192.168.1.1'
	option netmask '255.255.255.0'

config interface 'wan'
	option device 'eth1'
	option proto 'pppoe'

config interface 'wan6'
	option device '@wan'
	option proto 'dhcpv6'
"""
