#!/bin/sh
# `service` of ASUS only queues an event: it returns at once, with 0, whatever becomes of it.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
off() { [ -f "$E/ram/nvram/$1" ] && { read -r value < "$E/ram/nvram/$1" || :; } && [ "$value" = 0 ]; }
conntrack() { # the helpers follow nf_pptp at boot and here; the firewall's restart leaves them alone
	for module in nf_conntrack_pptp nf_nat_pptp; do
		if off nf_pptp; then rmdir "$R/sys/module/$module" 2> /dev/null
		elif grep -q -x "$module" "$E/control/modules"; then mkdir -p "$R/sys/module/$module"; fi
	done
}
firewall() {
	. "$R/rom/emulate/asus-firewall.sh"
	read -r scripts 2> /dev/null < "$E/ram/nvram/jffs2_scripts"
	[ "${scripts-}" = 1 ] || return 0
	script=$R/jffs/scripts/firewall-start
	[ -x "$script" ] && [ "$(head -c 2 "$script")" = '#!' ] || return 0
	echo "run /jffs/scripts/firewall-start" >> "$E/log/events"
	"$script" eth0 < /dev/null > /dev/null 2>&1
}
case ${1-} in
restart_firewall)
	event service "$@"
	(
		sleep 0.2
		firewall
	) < /dev/null > /dev/null 2>&1 &
	;;
restart_conntrack)
	event service "$@"
	(
		sleep 0.2
		conntrack
	) < /dev/null > /dev/null 2>&1 &
	;;
boot)
	conntrack
	firewall
	;;
*) event service "$@" ;;
esac
exit 0
