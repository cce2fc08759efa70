#!/bin/sh
# The kernel release of the router, not that of the machine; the rest is BusyBox's.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
read -r release < "$E/control/kernel"
case $* in
-r) echo "$release" ;;
-a) echo "Linux $(hostname) $release #0 SMP mips GNU/Linux" ;;
-m) echo mips ;;
*) exec "$R/rom/bin/uname" "$@" ;;
esac
