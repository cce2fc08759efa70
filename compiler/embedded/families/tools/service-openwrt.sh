#!/bin/sh
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
script=$R/etc/init.d/${1-}
[ -f "$script" ] || { echo "Service \"${1-}\" not found" >&2; exit 1; }
exec sh "$R/etc/rc.common" "$script" "${2-}"
