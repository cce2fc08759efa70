#!/bin/sh
# `service` of ASUS only queues an event: it returns at once, with 0, whatever becomes of it.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
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
start_firewall_now) firewall ;;
*) event service "$@" ;;
esac
exit 0
