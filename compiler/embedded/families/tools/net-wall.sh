#!/bin/sh
# net-wall of Voxel's builds (it runs /opt/scripts/firewall-start.sh): DNI's firewall, then the
# user's script, the status of whose last command becomes its own. With -6, IPv6 alone.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
event net-wall "$@"
"$R/usr/sbin/net-wall-bin" "$@"
case ${1-} in start | restart) ;; *) exit 0 ;; esac
for script in /opt/scripts/firewall-start.sh /root/firewall-start.sh; do
	[ -x "$R$script" ] || continue
	echo "run $script" >> "$E/log/events"
	"$R$script" < /dev/null > /dev/null 2>&1
	exit
done
exit 0
