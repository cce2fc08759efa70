#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
while :; do
	case ${1-} in -t | -p) shift 2 ;; -s | --) shift ;; *) break ;; esac
done
echo "$*" >> "$R/tmp/messages"
