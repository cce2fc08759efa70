#!/bin/sh
# DD-WRT: the firewall from nvram, then the user's rc_firewall. Runs to its end before it returns.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
tables() { sh "$R/rom/sbin/iptables" "$@"; }
value() { cat "$E/ram/nvram/$1" 2> /dev/null; }
event startservice "$@"
[ "${1-}" = firewall ] || exit 0
rm -f "$E/ram"/iptables.* "$E/ram"/ip6tables.*
tables -P FORWARD DROP
tables -A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
if [ "$(value filter)" != off ]; then
	[ "$(value pptp_pass)" != 0 ] || tables -A FORWARD -o vlan2 -p tcp --dport 1723 -j DROP
	[ "$(value l2tp_pass)" != 0 ] || tables -A FORWARD -o vlan2 -p udp --dport 1701 -j DROP
	[ "$(value ipsec_pass)" != 0 ] || tables -A FORWARD -o vlan2 -p udp --dport 500 -j DROP
	if [ "$(value pptp_pass)" = 1 ]; then
		tables -A FORWARD -o vlan2 -p tcp --dport 1723 -j ACCEPT
		tables -A FORWARD -o vlan2 -p gre -j ACCEPT
	fi
fi
tables -A FORWARD -i br0 -j ACCEPT
if [ -s "$E/ram/nvram/rc_firewall" ]; then
	{ value rc_firewall; echo; } > "$R/tmp/.rc_firewall"
	sh "$R/tmp/.rc_firewall" < /dev/null > /dev/null 2>&1
fi
tables -S > "$E/ram/loaded"
exit 0
