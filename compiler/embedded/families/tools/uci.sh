#!/bin/sh
# uci: staged changes in /tmp/.uci, batch that says 0 whatever fails, commit that drops comments.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
config=$R/etc/config
staged=$R/tmp/.uci
quiet= merge= raw=
while :; do
	case ${1-} in
	-q) quiet=1 ;;
	-m) merge=1 ;;
	-X) raw=1 ;;
	-n | -N | -s | -S) ;;
	-c) config=$2; shift ;;
	-P | -p | -t) staged=$2; shift ;;
	-*) echo "uci: unknown option $1" >&2; exit 255 ;;
	*) break ;;
	esac
	shift
done
[ $# != 0 ] || { echo "Usage: uci [<options>] <command> [<arguments>]" >&2; exit 255; }
after= become=exec
if [ "$1" = commit ]; then
	event uci "$@"
	slow
	after=1 become= # a fault may have something to do when it has ended
fi
export LC_ALL=C
$become awk -v config="$config" -v staged="$staged" -v quiet="$quiet" -v merge="$merge" -v raw="$raw" \
	-v events="$E/log/events" -v told="$after" -f "$R/rom/emulate/uci.awk" -- "$@"
