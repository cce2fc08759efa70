#!/bin/sh
# The firewall of DNI: rules in loc2net from three keys, only in some regions and for the text 0.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
off() { [ -f "$E/ram/nvram/$1" ] && [ "$(cat "$E/ram/nvram/$1")" = 0 ]; }
heeds() { case $(cat "$E/ram/nvram/GUI_Region") in Russian | Chinese) ;; *) return 1 ;; esac; }
drop() { echo "-A loc2net -p $1 -m $1 --dport $2 -j DROP"; }
drops() {
	heeds || return 0
	! off wan_enable_ipsec || drop udp 500
	! off wan_enable_l2tp || drop udp 1701
	! off wan_enable_pptp || drop tcp 1723
}
if [ "${1-}" = -6 ]; then
	rm -f "$E/ram"/ip6tables.*
	exit 0
fi
rm -f "$E/ram"/iptables.*
cat > "$E/ram/iptables.filter" << RULES
-P INPUT DROP
-P FORWARD DROP
-P OUTPUT ACCEPT
-N loc2net
-A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i br0 -o brwan -j loc2net
$(drops)
-A loc2net -j ACCEPT
RULES
cp "$E/ram/iptables.filter" "$E/ram/loaded"
