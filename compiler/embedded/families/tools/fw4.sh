#!/bin/sh
# fw4, with its silence: a config that cannot be read is one without zones and passes the check;
# reload says 0 although nft has refused the rules, and the old ones stay.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
quiet=${QUIET:-}
[ "${1-}" != -q ] || { quiet=1; shift; }
name=${0##*/}
rules=$E/ram/$name.$$
export LC_ALL=C

render() { # render FILE
	modules=' '
	for module in "$R"/sys/module/*; do modules="$modules${module##*/} "; done
	log=$(awk -v config="$R/etc/config" -v staged="$R/tmp/.uci" -v quiet=1 -f "$R/rom/emulate/uci.awk" \
		-- dump firewall 2> /dev/null |
		awk -v modules="$modules" -f "$R/rom/emulate/fw4.awk" 2>&1 > "$1")
	status=$?
	# exit status 4: nft would refuse; anything else: fw4 itself has crashed
	[ -n "$quiet" ] || said -e '^\[!\]'
	return "$status"
}

said() { [ -z "$log" ] || echo "$log" | grep "$@" >&2; }
refused() { said -v -e '^\[!\]'; }

case ${1-} in
print)
	render "$rules"
	[ $? = 3 ] || cat "$rules"
	rm -f "$rules"
	;;
check)
	event fw4 check
	render /dev/null || { refused; exit 1; }
	echo 'Ruleset passes nftables check.'
	;;
start | reload)
	event fw4 "$1"
	render "$rules"
	case $? in
	0) mv "$rules" "$E/ram/loaded"; exit 0 ;;
	3) refused; status=1 ;;
	*) refused; status=0 ;;
	esac
	rm -f "$rules"
	[ "$1" = reload ] || exit "$status"
	exit 0
	;;
restart)
	event fw4 restart
	render "$rules" || { refused; rm -f "$rules"; exit 1; }
	mv "$rules" "$E/ram/loaded"
	;;
stop | flush)
	event fw4 "$1"
	rm -f "$E/ram/loaded"
	;;
*) echo "Usage: $name [-q] start|stop|flush|restart|reload|print|check" >&2; exit 1 ;;
esac
