#!/bin/sh
# Backs the settings up and puts them back (-b, -r); never writes a firmware.
. "${PASSTHRU_ROOT:-}/rom/emulate/lib.sh"
case ${1-} in
-b | --create-backup) event sysupgrade -b; tar -C "$R/" -czf "$2" etc/config ;;
-r | --restore-backup) event sysupgrade -r; tar -C "$R/" -xzf "$2" ;;
-l | --list-backup) find "$R/etc/config" -type f ;;
*) echo "sysupgrade: this router keeps its firmware" >&2; exit 1 ;;
esac
