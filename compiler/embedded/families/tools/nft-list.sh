#!/bin/sh
# nft for routers whose firewall program is emulated: lists what that one has loaded.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
loaded=$E/ram/loaded
[ "${1-}" != -a ] || shift
case "$*" in
'list ruleset') cat "$loaded" 2> /dev/null ;;
'list tables') sed -n 's/^\(table .*\) {$/\1/p' "$loaded" 2> /dev/null ;;
'list table '*)
	read -r first 2> /dev/null < "$loaded"
	[ "${first-}" = "table $3 $4 {" ] || {
		echo "Error: No such file or directory" >&2
		exit 1
	}
	exec cat "$loaded"
	;;
'list chain '*)
	awk -v chain="	chain $5 {" '
		$0 == chain { inside = found = 1; print "table inet fw4 {" }
		inside { print }
		inside && $0 == "	}" { inside = 0; print "}" }
		END { exit !found }' "$loaded" 2> /dev/null || {
		echo "Error: No such file or directory" >&2
		exit 1
	}
	;;
*) echo "Error: this nft lists only" >&2; exit 1 ;;
esac
