#!/bin/sh
# FreshTomato: `service NAME restart`; the firewall ends with the user's script_fire.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
tables() { sh "$R/rom/sbin/iptables" "$@"; }
event service "$@"
case "${1-} ${2-}" in
'firewall restart' | 'firewall start')
	rm -f "$E/ram"/iptables.* "$E/ram"/ip6tables.*
	tables -P FORWARD DROP
	tables -A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
	tables -A FORWARD -i br0 -j ACCEPT
	if [ -s "$E/ram/nvram/script_fire" ]; then
		{ cat "$E/ram/nvram/script_fire"; echo; } > "$R/tmp/.script_fire"
		sh "$R/tmp/.script_fire" < /dev/null > /dev/null 2>&1
	fi
	tables -S > "$E/ram/loaded"
	;;
'ctnf restart')
	for module in nf_conntrack_pptp nf_nat_pptp; do
		if [ "$(cat "$E/ram/nvram/nf_pptp" 2> /dev/null)" = 0 ]; then
			rmdir "$R/sys/module/$module" 2> /dev/null
		else
			mkdir -p "$R/sys/module/$module"
		fi
	done
	;;
esac
echo
echo "Done."
