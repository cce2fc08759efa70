#!/bin/sh
# fw4, with its silence: a config that cannot be read is one without zones and passes the check;
# reload says 0 although nft has refused the rules, and the old ones stay.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
quiet=${QUIET:-}
[ "${1-}" != -q ] || { quiet=1; shift; }
name=${0##*/}
work=$E/ram/$name.$$
trap 'rm -f "$work".*' EXIT

render() {
	"$R/rom/sbin/uci" -q dump firewall > "$work.config" 2> /dev/null || : > "$work.config"
	modules=$(ls "$R/sys/module" | tr '\n' ' ')
	awk -v modules=" $modules" -f "$R/rom/emulate/fw4.awk" "$work.config" > "$work.rules" 2> "$work.log"
	status=$?
	# exit status 4: nft would refuse; anything else: fw4 itself has crashed
	[ -n "$quiet" ] || grep -e '^\[!\]' "$work.log" >&2
	return "$status"
}

refused() { grep -v -e '^\[!\]' "$work.log" >&2; }

put() {
	cp "$work.rules" "$work.new" && mv "$work.new" "$E/ram/loaded"
}

case ${1-} in
print) render; [ $? = 3 ] || cat "$work.rules" ;;
check)
	event fw4 check
	render || { refused; exit 1; }
	echo 'Ruleset passes nftables check.'
	;;
start | reload)
	event fw4 "$1"
	render
	case $? in
	0) put ;;
	3) refused; [ "$1" = reload ] || exit 1 ;;
	*) refused ;;
	esac
	exit 0
	;;
restart)
	event fw4 restart
	render || { refused; exit 1; }
	put
	;;
stop | flush)
	event fw4 "$1"
	rm -f "$E/ram/loaded"
	;;
*) echo "Usage: $name [-q] start|stop|flush|restart|reload|print|check" >&2; exit 1 ;;
esac
