#!/bin/sh
# BusyBox's date on a clock that may have jumped.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
jump=$(fault clock) || exec "$R/rom/bin/date" "$@"
case $* in *-d* | *-s* | *-r*) exec "$R/rom/bin/date" "$@" ;; esac
exec "$R/rom/bin/date" -d "@$(($("$R/rom/bin/date" +%s) + jump))" "$@"
